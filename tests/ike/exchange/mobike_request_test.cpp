// SPDX-License-Identifier: Apache-2.0
// MOBIKE (RFC 4555) as responder: requests of a peer that says whatever it likes.
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

struct Bare {
  explicit Bare(bool mobike) {
    auto c = connection(true);
    c->remote_addrs = {*AddressRange::parse("198.51.100.0/24")};
    side.endpoint.configure({c}, now);
    PayloadWriter out;
    peer.initiate();
    out = peer.authenticated();
    if (mobike) out.notify(NotifyType::kMobikeSupported);
    BarePeer::add_child(out, "aes128gcm16", 0x1000);
    peer.say(Exchange::kIkeAuth, false, 1, out);
    const auto heard = peer.hear();
    EXPECT_TRUE(heard);
    if (heard) {
      EXPECT_EQ(heard->payloads.find(NotifyType::kMobikeSupported) != nullptr, mobike);
    }
    EXPECT_TRUE(side.up());
  }
  // From another port than before.
  std::optional<BarePeer::Heard> ask(std::uint32_t id, const PayloadWriter& out) {
    peer.port = Port{4501};
    peer.say(Exchange::kInformational, false, id, out);
    return peer.hear();
  }
  bool moved() const { return side.status().remote.port == Port{4501}; }

  Now now{1000s};
  Side side{1};
  BarePeer peer{side, now};
};

PayloadWriter update() {
  PayloadWriter out;
  out.notify(NotifyType::kUpdateSaAddresses);
  out.notify(NotifyType::kCookie2, Buffer(8, 0x33));
  return out;
}

TEST(Rfc4555_3_1, WhoHasNotAgreedOnItMovesNothing) {
  Bare agreed(true), not_agreed(false);
  const auto yes = agreed.ask(2, update()), no = not_agreed.ask(2, update());
  ASSERT_TRUE(yes && no);
  EXPECT_TRUE(agreed.moved());
  ASSERT_NE(yes->payloads.find(NotifyType::kCookie2), nullptr);
  EXPECT_EQ(yes->payloads.find(NotifyType::kCookie2)->data, Buffer(8, 0x33));
  EXPECT_FALSE(not_agreed.moved());
  EXPECT_TRUE(no->payloads.notifies.empty());
}

TEST(Rfc4555_3_7, WhoGivesAnotherCookieBackIsNotBelieved) {
  for (const bool right : {true, false}) {
    Bare bare(true);
    ASSERT_TRUE(bare.ask(2, update()));
    const auto check = bare.peer.hear();
    ASSERT_TRUE(check && check->payloads.find(NotifyType::kCookie2));
    PayloadWriter out;
    out.notify(NotifyType::kCookie2,
               right ? check->payloads.find(NotifyType::kCookie2)->data : Buffer(16, 1));
    bare.peer.say(Exchange::kInformational, true, check->header.message_id, out);
    bare.peer.waiting();
    EXPECT_EQ(bare.side.endpoint.status().empty(), !right);
  }
}

TEST(Rfc4555_3_9, ANatThatThePeerForbidsMovesNothing) {
  for (const bool nat : {false, true}) {
    Bare bare(true);
    PayloadWriter out = update();
    Writer as_it_left;
    as_it_left.bytes(IpAddress::v4(198, 51, 100, 2).bytes());
    as_it_left.bytes(IpAddress::v4(198, 51, 100, 1).bytes());
    as_it_left.be16(nat ? 4502 : 4501);
    as_it_left.be16(500);
    out.notify(NotifyType::kNoNatsAllowed, as_it_left.view());
    const auto answer = bare.ask(2, out);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->payloads.find(NotifyType::kUnexpectedNatDetected) != nullptr, nat);
    EXPECT_EQ(bare.moved(), !nat);
  }
}

TEST(Rfc4555_3_6, HostileListsOfAddressesAreBounded) {
  Bare bare(true);
  PayloadWriter out;
  for (std::uint32_t i = 0; i < 1000; ++i)
    out.notify(NotifyType::kAdditionalIp4Address, IpAddress::v4(i).bytes());
  out.notify(NotifyType::kAdditionalIp6Address, Buffer(3));
  ASSERT_TRUE(bare.ask(2, out));
  EXPECT_FALSE(bare.moved());
  EXPECT_LT(bare.side.endpoint.freeze(bare.side.status().id).size(), 3000u);
}

}  // namespace
}  // namespace simplon::ike::test

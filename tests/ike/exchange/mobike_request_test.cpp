// SPDX-License-Identifier: Apache-2.0
// MOBIKE (RFC 4555) as responder: requests of a peer that says whatever it likes.
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

struct Bare {
  explicit Bare(bool mobike, const std::vector<IpAddress>& our_others = {}) {
    auto c = connection(true);
    c->local_addrs.insert(c->local_addrs.end(), our_others.begin(), our_others.end());
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

// The values are those of the packet when it left the peer.
TEST(Rfc4555_3_9, InIkeAuthANatThatThePeerForbidsMakesNoIkeSa) {
  for (const bool nat : {false, true}) {
    Now now{1000s};
    Side side(1);
    side.endpoint.configure({connection(true)}, now);
    BarePeer peer(side, now);
    peer.initiate();
    PayloadWriter out = peer.authenticated();
    out.notify(NotifyType::kMobikeSupported);
    Writer as_it_left;
    as_it_left.bytes((nat ? IpAddress::v4(10, 0, 0, 2) : IpAddress::v4(198, 51, 100, 2)).bytes());
    as_it_left.bytes(IpAddress::v4(198, 51, 100, 1).bytes());
    as_it_left.be16(500);
    as_it_left.be16(500);
    out.notify(NotifyType::kNoNatsAllowed, as_it_left.view());
    BarePeer::add_child(out, "aes128gcm16", 0x1000);
    peer.say(Exchange::kIkeAuth, false, 1, out);
    const auto heard = peer.hear();
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->payloads.find(NotifyType::kUnexpectedNatDetected) != nullptr, nat);
    EXPECT_EQ(side.endpoint.status().empty(), nat);
    EXPECT_EQ(side.installed.empty(), nat);
  }
}

TEST(Rfc4555_3_6, ThePeerIsToldOfOurChangedListAndOfNoOtherChange) {
  const IpAddress here = IpAddress::v4(198, 51, 100, 1), other = IpAddress::v4(198, 51, 100, 3),
                  v6 = *IpAddress::parse("2001:db8::3"), unnamed = IpAddress::v4(198, 51, 100, 77);
  for (const bool mobike : {true, false}) {
    Bare bare(mobike, {other, v6});
    using List = std::vector<std::pair<NotifyType, Buffer>>;
    const auto told = [&](std::vector<IpAddress> there) {
      bare.side.endpoint.local_addresses(std::move(there), bare.now);
      List out;
      const auto heard = bare.peer.hear();
      if (!heard) return out;
      for (const Notify& n : heard->payloads.notifies) out.emplace_back(n.type, n.data);
      bare.peer.say(Exchange::kInformational, true, heard->header.message_id, {});
      return out;
    };
    const auto bytes = [](const IpAddress& a) { return Buffer(a.bytes().begin(), a.bytes().end()); };
    const List less{{NotifyType::kAdditionalIp6Address, bytes(v6)}},
        none{{NotifyType::kNoAdditionalAddresses, {}}},
        all{{NotifyType::kAdditionalIp4Address, bytes(other)},
            {NotifyType::kAdditionalIp6Address, bytes(v6)}};
    EXPECT_EQ(told({here, other, v6}), List{});
    EXPECT_EQ(told({here, v6}), mobike ? less : List{});
    EXPECT_EQ(told({v6, unnamed, here}), List{}) << "no other list, in whatever order";
    EXPECT_EQ(told({here}), mobike ? none : List{});
    EXPECT_EQ(told({here, other, v6}), mobike ? all : List{});
    EXPECT_TRUE(bare.side.up());
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

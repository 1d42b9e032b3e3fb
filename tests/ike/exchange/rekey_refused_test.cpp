// SPDX-License-Identifier: Apache-2.0
// A rekey of ours that comes to nothing beside one of the peer's that is done; and peers that do not wait for
// the end of a rekey.
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

class RekeyOfBoth : public testing::Test {
 protected:
  explicit RekeyOfBoth(const char* esp = "aes128gcm16") {
    auto c = connection(true);
    c->children[0].proposals = {*Proposal::parse(esp, ProtocolId::kEsp)};
    side.endpoint.configure({c}, now);
    peer.authenticate_with_child(0x1000);
  }
  void tick(std::chrono::seconds time) {
    for (const Now end = now + time; now < end; side.endpoint.tick(now)) now += 100ms;
  }
  PayloadWriter error(NotifyType type) {
    PayloadWriter out;
    out.notify(type);
    return out;
  }
  // One child, through which we send and receive.
  void expect_only(std::uint32_t spi) {
    ASSERT_EQ(side.status().children.size(), 1u);
    EXPECT_EQ(side.status().children[0].state, ChildState::kInstalled);
    ASSERT_FALSE(side.outbound.empty());
    EXPECT_EQ(side.outbound.back()->spi, Spi{spi});
    tick(10s);  // the inbound SA of the old child goes
    EXPECT_EQ(peer.waiting(), 0u);
    EXPECT_EQ(side.installed.size(), 2u);
  }

  Side side{1};
  Now now{1000s};
  BarePeer peer{side, now};
};

TEST_F(RekeyOfBoth, Rfc7296_2_8_1_OfOursThatIsRefusedThePeersStays) {
  for (const NotifyType why :
       {NotifyType::kTsUnacceptable, NotifyType::kTemporaryFailure, NotifyType::kChildSaNotFound}) {
    const std::uint32_t old = static_cast<std::uint32_t>(side.outbound.back()->spi), made_by_peer = old + 1,
                        id = old - 0x1000 + 2;
    side.endpoint.rekey(ByName{"sites", "net"}, 7 + old, now);
    const auto ours = peer.hear();
    ASSERT_TRUE(ours);
    peer.say(Exchange::kCreateChildSa, false, 2 * id - 2, rekey_of(old, made_by_peer));
    const auto answer = peer.hear();
    ASSERT_TRUE(answer && answer->payloads.sa);
    tick(2s);
    while (peer.waiting() > 0) peer.skip();  // ours again
    peer.say(Exchange::kCreateChildSa, true, ours->header.message_id, error(why));
    peer.say(Exchange::kInformational, false, 2 * id - 1, deleted(old));
    ASSERT_TRUE(peer.hear());
    expect_only(made_by_peer);
    ASSERT_TRUE(side.done(7 + old));
    EXPECT_TRUE(side.done(7 + old)->ok) << "the child is rekeyed";
    EXPECT_EQ(peer.waiting(), 0u) << "and nothing is tried again";
  }
}

TEST_F(RekeyOfBoth, Rfc7296_2_25_ThePeerReplacesAChildOnceAtATime) {
  peer.say(Exchange::kCreateChildSa, false, 2, rekey_of(0x1000, 0x1001));
  ASSERT_TRUE(peer.hear()->payloads.sa);
  peer.say(Exchange::kCreateChildSa, false, 3, rekey_of(0x1000, 0x1002));
  const auto second = peer.hear();
  ASSERT_TRUE(second);
  EXPECT_NE(second->payloads.find(NotifyType::kTemporaryFailure), nullptr);
  // Confused as it is, it deletes the replacement; the old child serves again, and can be replaced again.
  peer.say(Exchange::kInformational, false, 4, deleted(0x1001));
  ASSERT_TRUE(peer.hear());
  expect_only(0x1000);
  peer.say(Exchange::kCreateChildSa, false, 5, rekey_of(0x1000, 0x1003));
  ASSERT_TRUE(peer.hear()->payloads.sa);
  peer.say(Exchange::kInformational, false, 6, deleted(0x1000));
  ASSERT_TRUE(peer.hear());
  expect_only(0x1003);
}

class RekeyWithKeyExchange : public RekeyOfBoth {
 protected:
  RekeyWithKeyExchange() : RekeyOfBoth("aes128gcm16-x25519") {}
};

// The peer deletes the old child as soon as it has answered, while our key exchange is computed.
TEST_F(RekeyWithKeyExchange, Rfc7296_2_8_ADeleteThatOvertakesTheWorkOnItsResponseLosesNothing) {
  side.endpoint.rekey(ByName{"sites", "net"}, 1, now);
  ASSERT_TRUE(peer.hear());
  std::vector<JobResult> done;
  side.work_done = [&](JobResult result) { done.push_back(std::move(result)); };
  PayloadWriter response = made(0x2000, 9, "aes128gcm16-x25519");
  response.ke(DhGroup::kX25519, run(DiffieHellman{DhGroup::kX25519, Secret(Buffer(64, 3)), {}}).public_value);
  peer.say(Exchange::kCreateChildSa, true, 0, response);
  ASSERT_EQ(peer.waiting(), 0u);
  ASSERT_EQ(done.size(), 1u);
  peer.say(Exchange::kInformational, false, 2, deleted(0x1000));
  ASSERT_TRUE(peer.hear());
  side.work_done = {};
  side.endpoint.complete(done[0], now);
  EXPECT_EQ(peer.waiting(), 0u) << "the old child needs no delete any more";
  expect_only(0x2000);
  EXPECT_TRUE(side.done(1) && side.done(1)->ok);
}

}  // namespace
}  // namespace simplon::ike::test

// SPDX-License-Identifier: Apache-2.0
// Both ends initiate to each other at once, and keep one IKE SA with all that was wanted.
#include "ike/endpoint/endpoint.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

std::shared_ptr<Connection> with_two(bool left) {
  auto c = connection(left);
  c->children.push_back(c->children[0]);
  c->children[1].name = "net2";
  c->children[1].selectors = {{*TrafficSelector::parse(left ? "198.18.3.0/24" : "198.18.4.0/24")},
                              {*TrafficSelector::parse(left ? "198.18.4.0/24" : "198.18.3.0/24")}};
  return c;
}

// The payloads of an answer to our request for a child, but the nonce.
void answer_net(PayloadWriter& out, const char* ours, const char* theirs) {
  Proposal esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
  esp.spi = spi_bytes(0x1000);
  out.sa({esp});
  out.ts(PayloadType::kTsi, {*TrafficSelector::parse(ours)});
  out.ts(PayloadType::kTsr, {*TrafficSelector::parse(theirs)});
}

// A peer that initiated to us and to which we initiated; it does nothing about there being two IKE SAs.
struct BothInitiated {
  explicit BothInitiated(std::uint64_t their_spi) : theirs(side, now, their_spi) {
    side.endpoint.configure({connection(true)}, now);
    side.endpoint.initiate("sites", "net", 1, now);
    mine.answer_init();
    EXPECT_TRUE(mine.hear());  // IKE_AUTH
    theirs.authenticate_with_child(0x2000);
    PayloadWriter out = mine.authenticated();
    answer_net(out, "198.18.1.0/24", "198.18.2.0/24");
    mine.say(Exchange::kIkeAuth, true, 1, out);
  }
  void wait(std::chrono::milliseconds time) {
    for (const Now end = now + time; now < end;) {
      now += 100ms;
      side.endpoint.tick(now);
    }
  }

  Now now{1000s};
  Side side{1};
  BarePeer mine{side, now}, theirs;
};

constexpr std::uint64_t kLowest = 1;  // of all SPIs: by our rule it is theirs that goes

TEST(SimultaneousInitiation, APeerThatDeletesNothingEndsWithTheIkeSaThatItMade) {
  BothInitiated both(kLowest);
  ASSERT_EQ(both.side.endpoint.status().size(), 2u);
  const auto asked = both.theirs.hear();
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->header.exchange, Exchange::kInformational);
  both.theirs.say(Exchange::kInformational, true, 0, {});
  both.wait(10s);
  const auto deletes = both.mine.hear();
  ASSERT_TRUE(deletes);
  ASSERT_EQ(deletes->payloads.deletes.size(), 1u);
  EXPECT_EQ(deletes->payloads.deletes[0].protocol, ProtocolId::kIke);
  both.mine.say(Exchange::kInformational, true, deletes->header.message_id, {});
  EXPECT_EQ(both.mine.waiting(), 0u);
  ASSERT_EQ(both.side.endpoint.status().size(), 1u);
  EXPECT_FALSE(both.side.status().initiator);
  EXPECT_EQ(both.side.installed.size(), 2u);
  EXPECT_TRUE(both.side.done(1)->ok);
}

TEST(SimultaneousInitiation, AnIkeSaThatThePeerDoesNotKnowAnyMoreIsNotTheOneThatStays) {
  BothInitiated both(kLowest);
  both.wait(11s);
  ASSERT_EQ(both.side.endpoint.status().size(), 1u);
  EXPECT_TRUE(both.side.status().initiator);
  EXPECT_EQ(both.side.status().state, IkeState::kEstablished);
  EXPECT_EQ(both.side.installed.size(), 2u);
}

TEST(SimultaneousInitiation, OursGoesAtOnceWhenItIsTheLower) {
  BothInitiated both(~std::uint64_t{0});
  const auto deletes = both.mine.hear();
  ASSERT_TRUE(deletes);
  EXPECT_EQ(deletes->payloads.deletes.size(), 1u);
  both.mine.say(Exchange::kInformational, true, deletes->header.message_id, {});
  ASSERT_EQ(both.side.endpoint.status().size(), 1u);
  EXPECT_FALSE(both.side.status().initiator);
}

TEST(SimultaneousInitiation, WhoIsCalledBeforeItHasShownItselfTakesTheCall) {
  Now now{1000s};
  Side side(1);
  side.endpoint.configure({with_two(true)}, now);
  side.endpoint.initiate("sites", "net", 1, now);
  side.endpoint.initiate("sites", "", 2, now);
  side.endpoint.initiate("sites", "net2", 3, now);
  BarePeer mine(side, now), theirs(side, now, kLowest);
  ASSERT_EQ(mine.waiting(), 1u);
  theirs.authenticate_with_child(0x2000);
  mine.answer_init();
  const auto net2 = theirs.hear();  // the other child is made in the IKE SA that is there
  ASSERT_EQ(side.endpoint.status().size(), 1u);
  EXPECT_FALSE(side.status().initiator);
  EXPECT_TRUE(side.done(1)->ok && side.done(2)->ok);
  ASSERT_TRUE(net2);
  EXPECT_EQ(net2->header.exchange, Exchange::kCreateChildSa);
  EXPECT_EQ(side.done(3), nullptr);
  EXPECT_EQ(mine.waiting(), 0u) << "IKE_AUTH was not sent: there is nothing to delete";
}

TEST(SimultaneousInitiation, AChildThatIsBeingMadeInTheOneThatGoesIsMadeInTheOther) {
  Now now{1000s};
  Side side(1);
  side.endpoint.configure({with_two(true)}, now);
  side.endpoint.initiate("sites", "net", 1, now);
  side.endpoint.initiate("sites", "net2", 2, now);
  BarePeer mine(side, now), theirs(side, now, ~std::uint64_t{0});
  mine.answer_init();
  ASSERT_TRUE(mine.hear());
  PayloadWriter auth = mine.authenticated();
  answer_net(auth, "198.18.1.0/24", "198.18.2.0/24");
  mine.say(Exchange::kIkeAuth, true, 1, auth);
  const auto first = mine.hear();
  ASSERT_TRUE(first && first->header.exchange == Exchange::kCreateChildSa);
  theirs.authenticate_with_child(0x2000);
  const auto second = theirs.hear();
  ASSERT_TRUE(second && second->header.exchange == Exchange::kCreateChildSa);
  PayloadWriter refusal;
  refusal.notify(NotifyType::kTemporaryFailure, {});
  mine.say(Exchange::kCreateChildSa, true, first->header.message_id, refusal);
  const auto deletes = mine.hear();
  ASSERT_TRUE(deletes && deletes->payloads.deletes.size() == 1);
  mine.say(Exchange::kInformational, true, deletes->header.message_id, {});
  EXPECT_EQ(side.done(2), nullptr) << "who waits for the child waits for the other one";
  PayloadWriter child;
  child.nonce(Buffer(32, 9));
  answer_net(child, "198.18.3.0/24", "198.18.4.0/24");
  theirs.say(Exchange::kCreateChildSa, true, second->header.message_id, child);
  EXPECT_EQ(theirs.waiting(), 0u);
  ASSERT_TRUE(side.done(2));
  EXPECT_TRUE(side.done(2)->ok);
  EXPECT_EQ(side.installed.size(), 4u);
}

TEST(SimultaneousInitiation, NoChildIsLostWhenSeveralAreOnTheWay) {
  for (std::uint8_t seed = 10; seed < 30; ++seed)
    for (unsigned lost = 0; lost < 10; ++lost) {
      SCOPED_TRACE(std::to_string(seed) + ", lost " + std::to_string(lost));
      Pair pair(with_two(true), with_two(false));
      pair.left.endpoint = Endpoint(Settings{}, Secret(Buffer(32, seed)));
      pair.left.endpoint.configure({with_two(true)}, pair.now);
      std::uint64_t ticket = 0;
      for (const char* child : {"net", "net2"})
        for (Side* side : {&pair.left, &pair.right})
          side->endpoint.initiate("sites", child, ++ticket, pair.now);
      pair.pump(nth(lost));
      pair.wait(45s);
      for (const Side* side : {&pair.left, &pair.right}) {
        ASSERT_EQ(side->endpoint.status().size(), 1u);
        std::set<std::string> up;
        for (const auto& child : side->status().children) up.insert(child.name);
        EXPECT_THAT(up, testing::ElementsAre("net", "net2"));
        ASSERT_EQ(side->finished.size(), 2u);
        for (const Finished& done : side->finished) EXPECT_TRUE(done.ok) << done.why;
      }
      pair.expect_working();
    }
}

// Ours, with the child "net", and with what it has asked for next.
std::optional<BarePeer::Heard> establish(BarePeer& mine) {
  mine.answer_init();
  EXPECT_TRUE(mine.hear());  // IKE_AUTH
  PayloadWriter auth = mine.authenticated();
  answer_net(auth, "198.18.1.0/24", "198.18.2.0/24");
  mine.say(Exchange::kIkeAuth, true, 1, auth);
  return mine.hear();
}

TEST(SimultaneousInitiation, WhatWaitsInTheOneThatGoesWaitsAsLongInTheOther) {
  Now now{1000s};
  Side side(1);
  side.endpoint.configure({with_two(true)}, now);
  side.endpoint.initiate("sites", "net", 1, now);
  side.endpoint.initiate("sites", "net2", 2, now);
  BarePeer mine(side, now), theirs(side, now, ~std::uint64_t{0});
  const auto net2 = establish(mine);
  ASSERT_TRUE(net2 && net2->header.exchange == Exchange::kCreateChildSa);
  PayloadWriter refusal;
  refusal.notify(NotifyType::kTemporaryFailure, {});
  mine.say(Exchange::kCreateChildSa, true, net2->header.message_id, refusal);
  ASSERT_EQ(mine.waiting(), 0u) << "later";
  theirs.authenticate_with_child(0x2000);
  EXPECT_TRUE(side.logged("this IKE SA goes"));
  ASSERT_EQ(theirs.waiting(), 1u) << "the child later, all the same";
  theirs.skip();  // the other one's DELETE
  mine.say(Exchange::kInformational, true, net2->header.message_id + 1, {});
  ASSERT_EQ(side.endpoint.status().size(), 1u);
  now += 6s;
  side.endpoint.tick(now);
  const auto again = theirs.hear();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->header.exchange, Exchange::kCreateChildSa);
  EXPECT_EQ(side.done(2), nullptr);
}

TEST(SimultaneousInitiation, AClassThatIsBeingMadeInTheOneThatGoesIsMadeInTheOther) {
  Now now{1000s};
  Side side(1);
  auto c = connection(true);
  c->children[0].classes.count = 2;
  c->children[0].classes.of[8] = 1;
  side.endpoint.configure({c}, now);
  side.endpoint.initiate("sites", "net", 1, now);
  BarePeer mine(side, now), theirs(side, now, ~std::uint64_t{0});
  const auto asked = establish(mine);
  ASSERT_TRUE(asked && asked->header.exchange == Exchange::kCreateChildSa);
  theirs.authenticate_with_child(0x2000);
  EXPECT_TRUE(side.logged("this IKE SA goes"));
  const auto again = theirs.hear();
  ASSERT_TRUE(again) << "at once";
  ASSERT_EQ(again->header.exchange, Exchange::kCreateChildSa);
  theirs.say(Exchange::kCreateChildSa, true, again->header.message_id, made(0x2001));
  EXPECT_EQ(theirs.waiting(), 0u);
  ASSERT_EQ(side.outbound.back()->spi, Spi{0x2001});
  EXPECT_EQ(side.outbound.back()->dscp_class, 1u);
}

}  // namespace
}  // namespace simplon::ike::test

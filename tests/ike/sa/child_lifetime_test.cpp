// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "ike/endpoint/endpoint.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

// The two ends count the same packets, so with one limit they would ask for a rekey at once.
TEST(Rfc7296_2_8, VolumeLimitsAreReachedUpToATenthEarlier) {
  std::set<std::uint64_t> bytes;
  for (const std::uint8_t seed : {1, 2, 3, 4}) {
    Side side(seed);
    Now now{1000s};
    auto c = connection(true);
    c->children[0].rekey = {.bytes = ByteCount{1'000'000'000}, .packets = PacketCount{9}};
    c->children[0].life = {.bytes = ByteCount{1'100'000'000}, .packets = PacketCount{10}};
    side.endpoint.configure({c}, now);
    BarePeer peer(side, now);
    peer.authenticate_with_child(0x1000);
    ASSERT_EQ(side.installed.size(), 2u);
    for (const auto& [id, sa] : side.installed) {
      EXPECT_LE(sa->soft.bytes, ByteCount{1'000'000'000});
      EXPECT_GE(sa->soft.bytes, ByteCount{900'000'000});
      EXPECT_EQ(sa->soft.packets, PacketCount{9}) << "too few for a tenth, and never none";
      EXPECT_EQ(sa->hard, c->children[0].life) << "hard limits are what they are";
      bytes.insert(static_cast<std::uint64_t>(sa->soft.bytes));
    }
  }
  EXPECT_GT(bytes.size(), 6u);
}

TEST(Rfc4301_4_4_2_1, VolumeLifetimesRekeyAndEnd) {
  Pair pair;
  pair.initiate();
  const SaRef out = pair.left.sas(Direction::kOut).back();
  pair.left.endpoint.expired(out->id, false, pair.now);
  pair.pump();
  EXPECT_FALSE(pair.left.installed.contains(out->id));
  pair.expect_working();
  pair.left.endpoint.expired(pair.left.sas(Direction::kOut).back()->id, true, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.left.status().children.empty());
}

TEST(Rfc4301_4_4_2_1, AHardLimitDuringARekeyLeavesTheReplacement) {
  auto l = connection(true);
  l->children[0].start = StartAction::kStart;
  Pair pair(l, connection(false));
  const SaRef out = pair.left.sas(Direction::kOut).back();
  pair.left.endpoint.expired(out->id, false, pair.now);
  pair.left.endpoint.expired(out->id, true, pair.now);
  pair.wait(20s);
  EXPECT_FALSE(pair.left.installed.contains(out->id));
  ASSERT_EQ(pair.left.status().children.size(), 1u);
  EXPECT_FALSE(pair.left.logged("deletes child") || pair.right.logged("deletes child"));
  EXPECT_FALSE(pair.left.logged("end of its life"));
  pair.expect_working();
}

TEST(Rfc4301_4_4_2_1, AHardLimitDuringARekeyThatFailsEndsTheChild) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  peer.authenticate_with_child(0x1000);
  ASSERT_TRUE(side.up());
  const SaId out = side.sas(Direction::kOut)[0]->id;
  side.endpoint.expired(out, false, now);
  side.endpoint.expired(out, true, now);
  const auto request = peer.hear();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->header.exchange, Exchange::kCreateChildSa);
  PayloadWriter refusal;
  refusal.notify(NotifyType::kTemporaryFailure);
  peer.say(Exchange::kCreateChildSa, true, request->header.message_id, refusal);
  ASSERT_LE(side.endpoint.deadline(), now);
  side.endpoint.tick(now);
  const auto end = peer.hear();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->payloads.deletes.size(), 1u);
}

TEST(Rfc4301_4_4_2_1, AChildThatCannotBeInstalledIsNotMadeWithoutAPause) {
  auto l = connection(true);
  l->children[0].start = StartAction::kStart;
  Pair pair(l, connection(false));
  for (int i = 0; i < 100; ++i) {
    if (pair.left.up()) pair.left.endpoint.expired(pair.left.sas(Direction::kOut)[0]->id, true, pair.now);
    pair.pump();
    pair.wait(100ms);
  }
  const auto ups = std::ranges::count(pair.left.child_events, UpDown::kUp, &ChildEvent::what);
  EXPECT_LT(ups, 8);
  EXPECT_GT(ups, 2);
}

// Negotiated well each time, and never to be installed: the wait grows up to the longest, and begins anew
// once a child has lived.
TEST(Rfc7296_1_3, AChildThatCannotBeInstalledIsAskedForLaterEachTime) {
  auto l = connection(true);
  l->children[0].start = StartAction::kStart;
  Pair pair(l, connection(false));
  std::vector<Now> ups;
  const auto refuse = [&] {
    if (!pair.left.up()) return;
    ups.push_back(pair.now);
    pair.left.endpoint.not_installed(pair.left.sas(Direction::kOut)[0]->id, "no such cipher", pair.now);
    pair.pump();
  };
  for (int i = 0; i < 3000; ++i) {
    refuse();
    pair.wait(100ms);
  }
  ASSERT_GT(ups.size(), 6u);
  EXPECT_LT(ups.size(), 12u);
  EXPECT_GE(ups.back() - ups[ups.size() - 2], 60s);
  EXPECT_TRUE(pair.left.logged("child net could not be installed: no such cipher"));
  EXPECT_FALSE(pair.left.logged("end of its life"));
  EXPECT_TRUE(pair.left.endpoint.status().size() == 1 && pair.right.endpoint.status().size() == 1);

  pair.wait(100s);
  ASSERT_TRUE(pair.left.up());
  ups.clear();
  for (int i = 0; i < 60; ++i) {
    refuse();
    pair.wait(100ms);
  }
  EXPECT_EQ(ups.size(), 2u) << "it had lived";
}

TEST(Rfc7296_1_3, NorDoPacketsAskForItWithoutAPause) {
  for (const StartAction start : {StartAction::kTrap, StartAction::kStart}) {
    auto l = connection(true);
    l->children[0].start = start;
    Pair pair(l, connection(false));
    const Selectors packet{{*TrafficSelector::parse("198.18.1.1/32")},
                           {*TrafficSelector::parse("198.18.2.1/32")}};
    std::size_t made = 0;
    for (int i = 0; i < 600; ++i) {
      pair.left.endpoint.acquire(PolicyId{7}, packet.local[0], packet.remote[0], pair.now);
      pair.pump();
      if (pair.left.up()) {
        ++made;
        pair.left.endpoint.not_installed(pair.left.sas(Direction::kIn)[0]->id, "no room", pair.now);
        pair.pump();
      }
      pair.wait(100ms);
    }
    EXPECT_GT(made, 3u);
    EXPECT_LT(made, 8u);
  }
}

TEST(Rfc7296_1_3, AnAnswerAndALineNameTheChildThatTheyAreAbout) {
  Pair pair;
  pair.initiate();
  ASSERT_NE(pair.left.done(1), nullptr);
  EXPECT_EQ(pair.left.done(1)->child, pair.left.status().children[0].id);
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 2, pair.now);
  pair.pump();
  ASSERT_NE(pair.left.done(2), nullptr);
  EXPECT_EQ(pair.left.done(2)->child, pair.left.status().children[0].id);
}

TEST(Rfc7296_2_7, AChildWithoutASuiteIsNeitherAskedForNorAgreedTo) {
  auto l = connection(true);
  l->children[0].proposals.clear();
  l->children[0].start = StartAction::kStart;
  Pair pair(l, connection(false));
  EXPECT_TRUE(pair.left.sent.empty()) << "nothing to ask for";
  pair.initiate();
  ASSERT_NE(pair.left.done(1), nullptr);
  EXPECT_FALSE(pair.left.done(1)->ok);
  EXPECT_THAT(pair.left.done(1)->why, testing::HasSubstr("proposals can be installed"));
  pair.right.endpoint.initiate("sites", "net", 2, pair.now);
  pair.pump();
  ASSERT_NE(pair.right.done(2), nullptr);
  EXPECT_THAT(pair.right.done(2)->why, testing::HasSubstr("NO_PROPOSAL_CHOSEN"));
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
}

}  // namespace
}  // namespace simplon::ike::test

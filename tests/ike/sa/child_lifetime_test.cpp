// SPDX-License-Identifier: Apache-2.0
#include "ike/endpoint/endpoint.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

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

}  // namespace
}  // namespace simplon::ike::test

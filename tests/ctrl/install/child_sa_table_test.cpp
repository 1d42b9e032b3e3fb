// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/child_sa_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ctrl/install/lab.h"

namespace simplon::ctrl::test {
namespace {

using testing::SizeIs;

TEST(Rfc7296_2_9, ANarrowedSaGetsAnEntryRightBeforeItsChilds) {
  PolicyIds ids;
  for (int i = 0; i < 10; ++i) ids.fresh();
  ChildSaTable children;
  const SaRef in = children.add(install(1, Direction::kIn, 1, kPart), config(), ids);
  const SaRef out = children.add(install(2, Direction::kOut, 1, kPart), config(), ids);
  EXPECT_EQ(in->policy, PolicyId{11});
  EXPECT_EQ(out->policy, PolicyId{11}) << "one entry for both directions";
  EXPECT_EQ(in->child, PolicyId{1});
  EXPECT_EQ(out->spi, Spi{0x1002});
  SaSpec whole = *install(2, Direction::kOut, 1, kPart).sa;
  whole.policy = out->policy;
  whole.child = out->child;
  EXPECT_EQ(*out, whole) << "nothing else of the SA is changed or lost";
  EXPECT_EQ(children.parent(PolicyId{11}), PolicyId{1}) << "acquires ask for the child";
  const State state = desired(config(), children);
  ASSERT_THAT(state.policies, SizeIs(2)) << "what the SA does not cover still asks for another";
  const PolicySpec& narrowed = state.policies.at(PolicyId{11});
  EXPECT_EQ(narrowed.order, 15u);
  EXPECT_EQ(narrowed.selectors, kPart);
  EXPECT_EQ(narrowed.tunnel, (TunnelEnds{ip("192.0.2.1"), ip("192.0.2.2")}));
  EXPECT_EQ(narrowed.name, "sites/net-11");
}

TEST(Rfc7296_2_8, ARekeyedNarrowedSaKeepsItsEntry) {
  PolicyIds ids;
  for (int i = 0; i < 10; ++i) ids.fresh();
  ChildSaTable children;
  const SaRef before = children.add(install(1, Direction::kOut, 1, kPart), config(), ids);
  const SaRef after = children.add(install(2, Direction::kOut, 1, kPart), config(), ids);
  EXPECT_EQ(before->policy, after->policy);
  children.remove(SaId{1});
  EXPECT_TRUE(desired(config(), children).policies.contains(after->policy));
  children.remove(SaId{2});
  EXPECT_FALSE(desired(config(), children).policies.contains(after->policy));
  EXPECT_NE(children.add(install(3, Direction::kOut, 1, kPart), config(), ids)->policy, after->policy)
      << "ids are not used twice";
}

// A child for transport mode whose peer has none: its entry is of the mode that its SAs have.
TEST(Rfc7296_1_3_1, AnEntryHasTheModeOfItsSas) {
  PolicyIds ids;
  for (int i = 0; i < 10; ++i) ids.fresh();
  ChildSaTable children;
  Config transport = config();
  for (PolicySpec& policy : transport.policies) policy.mode = SaMode::kTransport;
  EXPECT_EQ(children.policy(PolicyId{1}, transport)->mode, SaMode::kTransport);
  const SaRef out = children.add(install(1, Direction::kOut, 1, kPart), transport, ids);
  EXPECT_EQ(children.policy(out->policy, transport)->mode, SaMode::kTunnel);
}

}  // namespace
}  // namespace simplon::ctrl::test

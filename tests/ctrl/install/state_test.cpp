// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ctrl/install/lab.h"

namespace simplon::ctrl::test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(Desired, PoliciesHoldWithoutAnySa) {
  const State state = desired(config(), {});
  ASSERT_THAT(state.policies, SizeIs(1)) << "a child without a peer has nothing to install yet";
  EXPECT_EQ(state.policies.begin()->second.name, "sites/net");
  EXPECT_THAT(state.sas, IsEmpty());
}

TEST(Desired, AnSaOfTheWholeChildUsesTheChildsEntry) {
  PolicyIds ids;
  ChildSaTable children;
  const auto in = install(1, Direction::kIn, 1, kNet),
             out = install(2, Direction::kOut, 1, kNet, "192.0.2.77");
  EXPECT_EQ(children.add(in, config(), ids), in.sa) << "not a copy";
  EXPECT_EQ(children.add(out, config(), ids), out.sa);
  const State state = desired(config(), children);
  ASSERT_THAT(state.policies, SizeIs(1));
  const PolicySpec& policy = state.policies.at(PolicyId{1});
  EXPECT_EQ(policy.tunnel, (TunnelEnds{ip("192.0.2.1"), ip("192.0.2.77")}))
      << "the SA knows better than the file";
  children.remove(SaId{2});
  EXPECT_EQ(children.policy(PolicyId{1}, config())->tunnel, config().policies[0].tunnel);
}

TEST(Desired, PeersOfAnOpenConnectionGetEntriesOfTheirOwn) {
  PolicyIds ids;
  for (int i = 0; i < 10; ++i) ids.fresh();
  ChildSaTable children;
  const SaRef a = children.add(
      install(1, Direction::kOut, 2, {ts("198.18.1.0/24"), ts("203.0.113.1")}, "203.0.113.1"), config(), ids);
  const SaRef b = children.add(
      install(2, Direction::kOut, 2, {ts("198.18.1.0/24"), ts("203.0.113.2")}, "203.0.113.2"), config(), ids);
  EXPECT_NE(a->policy, b->policy);
  const State state = desired(config(), children);
  EXPECT_EQ(state.policies.at(a->policy).tunnel->remote, ip("203.0.113.1"));
  EXPECT_EQ(state.policies.at(b->policy).tunnel->remote, ip("203.0.113.2"));
  EXPECT_FALSE(state.policies.contains(PolicyId{2}));
}

TEST(Desired, WhatIsMadeByHandIsWantedToo) {
  ManualEntries manual;
  const SaRef sa = manual.add(SaSpec{.policy = PolicyId{9}}, {});
  manual.add(entry(9, "manual", 5, kNet));
  const State state = desired(config(), {}, manual);
  EXPECT_EQ(state.sas.at(sa->id), sa);
  EXPECT_TRUE(state.policies.contains(PolicyId{9}));
}

TEST(Desired, EntriesOfARemovedChildGoAtOnceItsSasWithIke) {
  PolicyIds ids;
  for (int i = 0; i < 10; ++i) ids.fresh();
  ChildSaTable children;
  children.add(install(1, Direction::kOut, 1, kPart), config(), ids);
  const State state = desired(Config{}, children);
  EXPECT_THAT(state.policies, IsEmpty());
  EXPECT_THAT(state.sas, SizeIs(1));
}

// The short way of one SA ends where the long way over the whole state ends.
TEST(Former, WhatAnotherProcessLeftIsRemoved) {
  Installed left;
  for (const Direction direction : {Direction::kIn, Direction::kOut})
    left.sas.push_back(std::make_shared<SaSpec>(
        SaSpec{.direction = direction,
               .spi = Spi{0x5000},
               .source = ip(direction == Direction::kIn ? "192.0.2.2" : "192.0.2.1"),
               .destination = ip(direction == Direction::kIn ? "192.0.2.1" : "192.0.2.2")}));
  left.policies.push_back(entry(77, "", 3, kPart));
  State now = former(left);
  const State want = desired(config(), {});
  const Changes changes = diff(want, now);
  ASSERT_THAT(changes.remove_in, SizeIs(1));
  EXPECT_EQ(changes.remove_in[0]->spi, Spi{0x5000});
  EXPECT_EQ(changes.remove_in[0]->source, ip("192.0.2.2"));
  EXPECT_THAT(changes.remove_out, SizeIs(1));
  EXPECT_THAT(changes.remove_policies, SizeIs(1));
  EXPECT_THAT(changes.set_policies, SizeIs(1));
}

TEST(Former, AnSaThatIsKnownKeepsItsId) {
  const auto goes_on = std::make_shared<const SaSpec>(SaSpec{.id = SaId{5}, .spi = Spi{0x5000}});
  const auto rest = std::make_shared<const SaSpec>(SaSpec{.spi = Spi{0x5001}});
  Installed left;
  left.sas = {goes_on, rest};
  const State now = former(left);
  ASSERT_THAT(now.sas, SizeIs(2));
  EXPECT_EQ(now.sas.at(SaId{5}), goes_on);
}

}  // namespace
}  // namespace simplon::ctrl::test

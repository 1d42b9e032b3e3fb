#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/ctrl/install/lab.h"

namespace simplon::ctrl::test {
namespace {

using testing::ElementsAre;
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
TEST(DiffPart, OfOneSaIsWhatDiffWouldFind) {
  std::mt19937 random(7);  // NOLINT: the same walk every time
  PolicyIds ids;
  for (int i = 0; i < 10; ++i) ids.fresh();
  ChildSaTable children;
  Journal journal;
  State now;
  ASSERT_TRUE(apply(diff(desired(config(), children), now), journal, now));
  std::vector<SaId> alive;
  for (std::uint64_t id = 1; id < 400; ++id) {
    SaRef sa;
    if (alive.empty() || random() % 5 < 3) {
      const auto direction = random() % 2 == 0 ? Direction::kIn : Direction::kOut;
      const Selectors some[] = {kNet, kPart, {ts("198.18.1.7"), ts("198.18.2.0/24")}};
      const bool road = random() % 3 == 0;
      const std::string host = "203.0.113." + std::to_string(random() % 4);
      sa = children.add(
          road ? install(id, direction, 2, {ts("198.18.1.0/24"), ts(host)}, host)
               : install(id, direction, 1, some[random() % 3], random() % 2 == 0 ? "192.0.2.2" : "192.0.2.9"),
          config(), ids);
      alive.push_back(sa->id);
    } else {
      const std::size_t at = random() % alive.size();
      sa = children.remove(alive[at]);
      alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(at));
    }
    const State part = desired_part({sa}, config(), children);
    ASSERT_TRUE(apply(diff_part(part, {sa}, now), journal, now));
    ASSERT_TRUE(same(now, desired(config(), children))) << "step " << id;
    ASSERT_TRUE(same(now, journal.has));
  }
  EXPECT_EQ(children.remove(SaId{99999}), nullptr);
}

}  // namespace
}  // namespace simplon::ctrl::test

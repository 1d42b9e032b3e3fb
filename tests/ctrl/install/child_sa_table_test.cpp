// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/child_sa_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctrl/install/diff.h"
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

// Who is around a bundle's ESP SA of a peer from anywhere is that peer's AH SA alone, whichever comes first.
TEST(Rfc4301_4_5, TheHalvesOfABundleFindEachOtherWhereverThePeerIs) {
  for (const bool ah_first : {true, false}) {
    PolicyIds ids;
    for (int i = 0; i < 10; ++i) ids.fresh();
    ChildSaTable children;
    Config road = config();
    road.policies.push_back(entry(3, "road/any+ah", 48, {}));
    road.positions[PolicyId{3}] = 2;
    road.policies[1].over = PolicyId{3};
    std::map<std::string, PolicyId> around;
    std::uint64_t id = 0;
    for (const char* peer : {"203.0.113.5", "203.0.113.6"})
      for (const bool ah : {ah_first, !ah_first}) {
        const Selectors hosts{ts("192.0.2.1[50]"), ts(std::string(peer) + "[50]")};
        ike::InstallSa sa = install(++id, Direction::kOut, ah ? 3 : 2,
                                    ah ? hosts : Selectors{ts("198.18.1.0/24"), ts(peer)}, peer);
        SaSpec spec = *sa.sa;
        spec.protocol = ah ? IpsecProtocol::kAh : IpsecProtocol::kEsp;
        if (!ah) spec.over = PolicyId{3};
        sa.sa = std::make_shared<const SaSpec>(spec);
        const SaRef made = children.add(sa, road, ids);
        const auto [known, fresh] = around.emplace(peer, ah ? made->policy : made->over);
        EXPECT_EQ(known->second, ah ? made->policy : made->over);
        EXPECT_NE(known->second, PolicyId{3}) << "the child's own is for nobody";
        if (!ah) {
          EXPECT_EQ(children.policy(made->policy, road)->over, made->over);
        }
      }
    EXPECT_NE(around["203.0.113.5"], around["203.0.113.6"]);
    const State state = desired(road, children);
    EXPECT_EQ(state.policies.at(around["203.0.113.5"]).selectors.text(),
              "192.0.2.1/32[50] === 203.0.113.5/32[50]");
    std::vector<SaRef> gone;
    for (std::uint64_t n = 1; n <= 2; ++n) gone.push_back(children.remove(SaId{n}));
    EXPECT_FALSE(desired(road, children).policies.contains(around["203.0.113.5"]));
    EXPECT_TRUE(desired(road, children).policies.contains(around["203.0.113.6"]));
    const Changes changes = diff_part(desired_part(gone, road, children), gone, state);
    EXPECT_THAT(changes.remove_policies, SizeIs(2)) << "both entries go with the SAs";
  }
}

// Both halves in transport mode have the two ends as selectors. Where the configuration names them, both SAs
// are of their children's own entries; else each has one of its own, and the two still find each other.
TEST(Rfc4301_4_5, TheHalvesOfABundleInTransportModeFindEachOther) {
  for (const bool named : {true, false})
    for (const bool ah_first : {true, false}) {
      PolicyIds ids;
      for (int i = 0; i < 10; ++i) ids.fresh();
      ChildSaTable children;
      const Selectors hosts{ts("192.0.2.1"), ts("192.0.2.2")}, esp{ts("192.0.2.1[50]"), ts("192.0.2.2[50]")};
      Config both;
      both.policies = {entry(1, "sites/net", 16, named ? hosts : Selectors{hosts.local, {}}),
                       entry(2, "sites/net+ah", 32, named ? esp : Selectors{esp.local, {}})};
      both.policies[0].over = PolicyId{2};
      both.policies[1].protocol = IpsecProtocol::kAh;
      for (std::size_t i = 0; i < 2; ++i) {
        both.policies[i].mode = SaMode::kTransport;
        both.positions[both.policies[i].id] = i;
      }
      std::uint64_t id = 0;
      PolicyId inside{}, around{};
      for (const bool ah : {ah_first, !ah_first})
        for (const Direction direction : {Direction::kIn, Direction::kOut}) {
          ike::InstallSa sa = install(++id, direction, ah ? 2 : 1, ah ? esp : hosts);
          SaSpec spec = *sa.sa;
          spec.protocol = ah ? IpsecProtocol::kAh : IpsecProtocol::kEsp;
          spec.mode = SaMode::kTransport;
          if (!ah) spec.over = PolicyId{2};
          sa.sa = std::make_shared<const SaSpec>(spec);
          const SaRef made = children.add(sa, both, ids);
          if (!ah) inside = made->policy;
          const PolicyId outer = ah ? made->policy : made->over;
          if (around == PolicyId{}) around = outer;
          EXPECT_EQ(outer, around);
          EXPECT_EQ(made->policy == spec.policy, named);
        }
      const State state = desired(both, children);
      ASSERT_TRUE(state.policies.contains(inside));
      ASSERT_TRUE(state.policies.contains(around));
      EXPECT_EQ(state.policies.at(inside).over, around);
      EXPECT_EQ(state.policies.at(inside).selectors, hosts);
      EXPECT_EQ(state.policies.at(around).selectors, esp);
      EXPECT_EQ(state.policies.at(around).mode, SaMode::kTransport);
    }
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

// SPDX-License-Identifier: Apache-2.0
// Hits of the entries of the SPD, of a worker that handles packets and the registry that adds them up.
#include <gtest/gtest.h>

#include "tests/dp/fragments.h"

namespace simplon::dp::test {
namespace {

class HitsTest : public testing::Test {
 protected:
  HitCounts of(std::uint32_t policy) const {
    const SpdHits hits = left.registry().hits();
    const auto found = hits.entries.find(PolicyId{policy});
    return found == hits.entries.end() ? HitCounts{} : found->second;
  }
  HitCounts rest() const { return left.registry().hits().none; }
  void inside(const char* to, unsigned n = 1) {
    for (unsigned i = 0; i < n; ++i) left.pass(udp4("198.18.1.10", to), Origin::kProtected, kLan);
  }
  void outside(const char* from, unsigned n = 1) {
    for (unsigned i = 0; i < n; ++i) left.pass(udp4(from, "198.18.1.10"), Origin::kUnprotected, kWan);
  }
  SaRef sa(Direction direction, std::uint64_t id, std::uint32_t policy = 1, std::uint32_t child = 0) {
    SaOptions o;
    o.id = id;
    o.spi = Spi{static_cast<std::uint32_t>(0x1000 + id)};
    o.selectors = kTunnel;
    if (direction == Direction::kIn) std::swap(o.from, o.to);
    SaSpec spec = *make_sa(direction, o);
    spec.policy = PolicyId{policy};
    spec.child = PolicyId{child};
    return std::make_shared<const SaSpec>(std::move(spec));
  }
  void forget(SaId id) {
    left.registry().remove_sa(id);
    left.worker().turn();
    left.registry().collect();
  }

  const Selectors kTunnel = selectors("198.18.1.0/24", "198.18.2.0/24");
  mutable Lab left{0, true};
};

TEST_F(HitsTest, BypassAndDiscardCountWhatTheyDecide) {
  left.protect(selectors("198.18.1.0/24", "203.0.113.0/25"), Action::kBypass, 1, 10);
  left.protect(selectors("198.18.1.0/24", "203.0.113.0/24"), Action::kDiscard, 2, 20);
  inside("203.0.113.9", 3);
  inside("203.0.113.200", 2);
  inside("198.51.100.77", 4);
  outside("203.0.113.9", 5);
  outside("203.0.113.200", 6);
  outside("198.51.100.77", 7);
  EXPECT_EQ(of(1), (HitCounts{.out = 3, .in = 5}));
  EXPECT_EQ(of(2), (HitCounts{.out = 2, .in = 6}));
  EXPECT_EQ(rest(), (HitCounts{.out = 4, .in = 7}));
  EXPECT_EQ(left.worker().counters().forwarded, 8u);
}

TEST_F(HitsTest, WhatCrossesNoBoundaryIsNoHit) {
  left.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass);
  left.pass(udp4("198.18.1.10", "198.18.1.20"), Origin::kProtected, kLan);
  EXPECT_EQ(left.worker().counters().forwarded, 1u);
  EXPECT_EQ(of(1), HitCounts{});
  EXPECT_EQ(rest(), HitCounts{});
  inside("203.0.113.9");
  EXPECT_EQ(of(1), (HitCounts{.out = 1})) << "the control";
}

TEST_F(HitsTest, WhatComesFromOutsideAndLeavesForItCountsOnce) {
  left.protect(selectors("0.0.0.0/0", "203.0.113.9"), Action::kBypass, 1, 10);
  left.protect(selectors("203.0.113.0/24", "203.0.113.0/24"), Action::kBypass, 2, 20);
  left.pass(udp4("203.0.113.9", "203.0.113.77"), Origin::kUnprotected, kWan);
  EXPECT_EQ(of(1), HitCounts{}) << "it let the packet in, but the other decided last";
  EXPECT_EQ(of(2), (HitCounts{.out = 1}));
}

// RFC 4301 §4.4.1: those of its SAs, and those that found none.
TEST_F(HitsTest, ProtectHasThePacketsOfItsSasAlsoOfThoseThatAreGone) {
  left.protect(kTunnel);
  inside("198.18.2.10", 2);
  EXPECT_EQ(of(1), (HitCounts{.out = 2})) << "they found no SA";
  ASSERT_TRUE(left.registry().add_sa(sa(Direction::kOut, 1)));
  inside("198.18.2.10", 3);
  EXPECT_EQ(of(1), (HitCounts{.out = 5}));
  ASSERT_TRUE(left.registry().add_sa(sa(Direction::kOut, 2)));
  inside("198.18.2.10", 4);
  EXPECT_EQ(of(1), (HitCounts{.out = 9})) << "of both";
  left.registry().remove_sa(SaId{1});
  EXPECT_EQ(of(1), (HitCounts{.out = 9})) << "a worker may still have it";
  left.worker().turn();
  left.registry().collect();
  EXPECT_EQ(of(1), (HitCounts{.out = 9}));
  forget(SaId{2});
  EXPECT_EQ(of(1), (HitCounts{.out = 9}));
  EXPECT_EQ(left.registry().sas().size(), 0u);
}

TEST_F(HitsTest, InwardsTooWithWhatCameInClearAndWhatWasOutsideTheSelectors) {
  Lab right(1, false);
  right.protect(selectors("198.18.0.0/16", "198.18.0.0/16"));
  SaOptions o;
  o.selectors = selectors("198.18.0.0/16", "198.18.0.0/16");
  o.from = *IpAddress::parse("198.51.100.2"), o.to = *IpAddress::parse("198.51.100.1");
  o.spi = Spi{0x1007};
  ASSERT_TRUE(right.registry().add_sa(make_sa(Direction::kOut, o)));
  left.protect(kTunnel);
  ASSERT_TRUE(left.registry().add_sa(sa(Direction::kIn, 7)));
  const auto sent = [&](const char* from) {
    const auto frames = right.pass(udp4(from, "198.18.1.10"), Origin::kProtected, kLan);
    ASSERT_EQ(frames.size(), 1u);
    const Buffer esp(frames[0].begin() + 14, frames[0].end());
    left.pass(esp, Origin::kUnprotected, kWan);
  };
  sent("198.18.2.10");
  sent("198.18.2.10");
  EXPECT_EQ(of(1), (HitCounts{.in = 2}));
  sent("198.18.9.10");
  EXPECT_EQ(left.dropped(Drop::kSelectorMismatch), 1u);
  EXPECT_EQ(of(1), (HitCounts{.in = 3}));
  outside("198.18.2.10");
  EXPECT_EQ(left.dropped(Drop::kClearNotAllowed), 1u);
  EXPECT_EQ(of(1), (HitCounts{.in = 4}));
  forget(SaId{7});
  EXPECT_EQ(of(1), (HitCounts{.in = 4}));
}

// RFC 7296 §2.9: a peer that takes a part makes an entry of its own, which goes with its SA.
TEST_F(HitsTest, WhatANarrowedEntryHasIsItsChildsWhenItGoes) {
  left.protect(kTunnel, Action::kProtect, 1, 20);
  ASSERT_TRUE(left.registry().add_policy({.id = PolicyId{2},
                                          .order = 10,
                                          .action = Action::kProtect,
                                          .selectors = selectors("198.18.1.0/24", "198.18.2.0/25"),
                                          .child = PolicyId{1}}));
  ASSERT_TRUE(left.registry().commit());
  inside("198.18.2.10", 2);
  ASSERT_TRUE(left.registry().add_sa(sa(Direction::kOut, 1, 2, 1)));
  inside("198.18.2.10", 3);
  EXPECT_EQ(of(2), (HitCounts{.out = 5}));
  EXPECT_EQ(of(1), HitCounts{});
  left.registry().remove_policy(PolicyId{2});
  ASSERT_TRUE(left.registry().commit());
  forget(SaId{1});
  EXPECT_EQ(of(1), (HitCounts{.out = 5}));
  EXPECT_EQ(left.registry().hits().entries.size(), 1u);
}

TEST_F(HitsTest, ANewEntryInAnOldOnesPlaceBeginsAtZero) {
  const Selectors all = selectors("0.0.0.0/0", "0.0.0.0/0");
  left.protect(all, Action::kDiscard, 1);
  inside("203.0.113.9", 3);
  EXPECT_EQ(of(1), (HitCounts{.out = 3}));
  left.registry().remove_policy(PolicyId{1});
  ASSERT_TRUE(left.registry().commit());
  left.worker().turn();
  left.registry().collect();
  left.protect(all, Action::kDiscard, 2);
  EXPECT_EQ(of(2), HitCounts{});
  inside("203.0.113.9");
  EXPECT_EQ(of(2), (HitCounts{.out = 1}));
}

// RFC 4301 §7: the fragments are asked about together.
TEST_F(HitsTest, ADatagramThatWasPutTogetherCountsOnce) {
  left.protect(selectors("198.18.1.0/24", "203.0.113.0/24[udp/2000]"), Action::kDiscard);
  const Buffer whole = udp4("198.18.1.10", "203.0.113.9", 1000);
  const std::vector<Buffer> pieces = cut(whole, 800);
  ASSERT_EQ(pieces.size(), 2u);
  left.pass(pieces[0], Origin::kProtected, kLan);
  EXPECT_EQ(of(1), HitCounts{});
  left.pass(pieces[1], Origin::kProtected, kLan);
  EXPECT_EQ(left.dropped(Drop::kPolicyDiscard), 1u);
  EXPECT_EQ(of(1), (HitCounts{.out = 1}));
}

}  // namespace
}  // namespace simplon::dp::test

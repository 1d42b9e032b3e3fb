// SPDX-License-Identifier: Apache-2.0
// What a daemon has in the kernel, as SPD entries and SAs.
#include "ctrl/follow/translate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace simplon::ctrl {
namespace {

using testing::SizeIs;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }
TrafficSelector ts(const char* text) { return *TrafficSelector::parse(text); }

constexpr EntryIds kIds{PolicyId{7}, PolicyId{8}, PolicyId{10}, PolicyId{11}};

// Between 203.0.113.1, which is us, and 203.0.113.2.
KernelPolicyRead policy(std::uint8_t direction, const char* source, const char* destination,
                        Action action = Action::kProtect, std::uint32_t priority = 1000) {
  KernelPolicyRead out;
  out.key.policy = {direction, kernel_selectors(ts(source), ts(destination))->front()};
  out.priority = priority;
  out.action = action;
  out.reqid = 5;
  const bool outwards = direction == XFRM_POLICY_OUT;
  out.source = ip(outwards ? "203.0.113.1" : "203.0.113.2");
  out.destination = ip(outwards ? "203.0.113.2" : "203.0.113.1");
  return out;
}
KernelPolicies all(std::vector<KernelPolicyRead> policies) {
  KernelPolicies out;
  for (KernelPolicyRead& p : policies) out.emplace(p.key, p);
  return out;
}
KernelPolicies both_ways() {
  return all({policy(XFRM_POLICY_OUT, "198.18.1.0/24", "198.18.2.0/24"),
              policy(XFRM_POLICY_OUT, "2001:db8:a::/64", "2001:db8:b::/64", Action::kProtect, 900),
              policy(XFRM_POLICY_IN, "198.18.2.0/24", "198.18.1.0/24"),
              policy(XFRM_POLICY_FWD, "198.18.2.0/24", "198.18.1.0/24"),
              policy(XFRM_POLICY_IN, "2001:db8:b::/64", "2001:db8:a::/64")});
}
KernelSa sa(const char* source, const char* destination) {
  KernelSa out;
  out.sa.source = ip(source);
  out.sa.destination = ip(destination);
  out.sa.suite = *find_suite("aes128gcm16");
  out.reqid = 5;
  return out;
}

TEST(Follow, ThePoliciesOfAReqidAreOneEntry) {
  const FollowedGroup group = followed_group(5, both_ways(), kIds);
  ASSERT_THAT(group.policies, SizeIs(1));
  const PolicySpec& entry = group.policies.front();
  EXPECT_EQ(entry.id, kIds.both);
  EXPECT_EQ(entry.action, Action::kProtect);
  EXPECT_EQ(entry.direction, PolicyDirection::kBoth);
  EXPECT_EQ(entry.order, 900u);
  EXPECT_EQ(entry.tunnel, (TunnelEnds{ip("203.0.113.1"), ip("203.0.113.2")}));
  EXPECT_EQ(in_order(entry.selectors),
            in_order(Selectors::of({{{ts("198.18.1.0/24")}, {ts("198.18.2.0/24")}},
                                    {{ts("2001:db8:a::/64")}, {ts("2001:db8:b::/64")}}})));
}

TEST(Follow, WhatComesInElsewhereHasAnEntryOfItsOwn) {
  KernelPolicies policies = both_ways();
  const KernelPolicyRead more = policy(XFRM_POLICY_IN, "198.18.3.0/24", "198.18.1.0/24");
  policies.emplace(more.key, more);
  const FollowedGroup group = followed_group(5, policies, kIds);
  ASSERT_THAT(group.policies, SizeIs(2));
  EXPECT_EQ(group.policies[0].direction, PolicyDirection::kOut);
  EXPECT_EQ(group.policies[1].direction, PolicyDirection::kIn);
  EXPECT_EQ(group.policies[1].id, kIds.inbound);
  EXPECT_TRUE(covers(group.policies[1].selectors, Selectors{{ts("198.18.1.0/24")}, {ts("198.18.3.0/24")}}));
  const auto in = followed_sa(sa("203.0.113.2", "203.0.113.1"), Direction::kIn, group, kIds);
  ASSERT_TRUE(in);
  EXPECT_EQ(in->policy, kIds.inbound);
}

TEST(Follow, TheEndsOfThePoliciesTellTheDirection) {
  EXPECT_EQ(direction_of(sa("203.0.113.1", "203.0.113.2"), both_ways()), Direction::kOut);
  EXPECT_EQ(direction_of(sa("203.0.113.2", "203.0.113.1"), both_ways()), Direction::kIn);
  EXPECT_EQ(direction_of(sa("203.0.113.9", "203.0.113.1"), both_ways()), Direction::kIn)
      << "the peer has moved";
  EXPECT_EQ(direction_of(sa("203.0.113.8", "203.0.113.9"), both_ways()), std::nullopt);
  EXPECT_EQ(direction_of(sa("203.0.113.1", "203.0.113.1"), both_ways()), std::nullopt);
  KernelSa told = sa("203.0.113.1", "203.0.113.2");
  told.direction = Direction::kIn;
  EXPECT_EQ(direction_of(told, both_ways()), Direction::kIn);
}

TEST(Follow, AnSaHasTheSelectorsOfItsReqid) {
  const FollowedGroup group = followed_group(5, both_ways(), kIds);
  const auto out = followed_sa(sa("203.0.113.1", "203.0.113.2"), Direction::kOut, group, kIds);
  ASSERT_TRUE(out);
  EXPECT_EQ(out->policy, kIds.both);
  EXPECT_EQ(out->selectors, group.out);
  KernelSa transport = sa("203.0.113.1", "203.0.113.2");
  transport.sa.mode = SaMode::kTransport;
  EXPECT_FALSE(followed_sa(transport, Direction::kOut, group, kIds)) << "its policies ask for tunnel mode";
  const FollowedGroup outward =
      followed_group(5, all({policy(XFRM_POLICY_OUT, "198.18.1.0/24", "198.18.2.0/24")}), kIds);
  EXPECT_FALSE(followed_sa(sa("203.0.113.2", "203.0.113.1"), Direction::kIn, outward, kIds));
}

TEST(Rfc7296_2_8, AnOutboundSaIsUsedFromWhenAPolicyNamesIt) {
  KernelPolicies policies = both_ways();
  const auto name = [&](std::uint32_t spi, int many) {
    for (auto& [key, policy] : policies)
      if (policy.out() && many-- > 0) policy.spi = Spi{spi};
  };
  const auto is_used = [&](std::uint32_t spi, Direction direction = Direction::kOut) {
    const bool out = direction == Direction::kOut;
    KernelSa one = sa(out ? "203.0.113.1" : "203.0.113.2", out ? "203.0.113.2" : "203.0.113.1");
    one.sa.spi = Spi{spi};
    return followed_sa(one, direction, followed_group(5, policies, kIds), kIds).has_value();
  };
  EXPECT_TRUE(is_used(0x101)) << "none is named";
  name(0x101, 2);
  EXPECT_TRUE(is_used(0x101));
  EXPECT_FALSE(is_used(0x102)) << "the peer does not know it yet";
  EXPECT_TRUE(is_used(0x201, Direction::kIn));
  name(0x102, 1);
  EXPECT_TRUE(is_used(0x102)) << "one of two policies has gone over";
  name(0x102, 2);
  EXPECT_FALSE(is_used(0x101));
  name(0, 1);
  EXPECT_TRUE(is_used(0x101)) << "one policy takes any";
}

TEST(Follow, WhatCannotBeFollowedCloses) {
  KernelPolicyRead p = policy(XFRM_POLICY_OUT, "198.18.1.0/24", "198.18.2.0/24");
  p.why_not = "it has a mark";
  ASSERT_TRUE(followed_shunt(p, nullptr, PolicyId{9}));
  EXPECT_EQ(followed_shunt(p, nullptr, PolicyId{9})->action, Action::kDiscard);
  EXPECT_EQ(followed_shunt(p, nullptr, PolicyId{9})->direction, PolicyDirection::kOut);
  p.action = Action::kBypass;
  EXPECT_FALSE(followed_shunt(p, nullptr, PolicyId{9}));
  p.why_not.clear();
  ASSERT_TRUE(followed_shunt(p, nullptr, PolicyId{9})) << "the control";
  EXPECT_EQ(followed_shunt(p, nullptr, PolicyId{9})->action, Action::kBypass);
  const KernelPolicyRead forwarded =
      policy(XFRM_POLICY_FWD, "198.18.2.0/24", "198.18.1.0/24", Action::kDiscard);
  EXPECT_EQ(followed_shunt(forwarded, nullptr, PolicyId{9})->direction, PolicyDirection::kIn);
}

TEST(Follow, WhatIsLetInIsLetPassForTheMachineAndForwarded) {
  const auto in = policy(XFRM_POLICY_IN, "198.18.2.0/24", "198.18.1.0/24", Action::kBypass, 1000);
  auto forwarded = policy(XFRM_POLICY_FWD, "198.18.2.0/24", "198.18.1.0/24", Action::kBypass, 1200);
  EXPECT_EQ(twin_of(in.key)->policy.direction, XFRM_POLICY_FWD);
  EXPECT_EQ(twin_of(forwarded.key)->policy.direction, XFRM_POLICY_IN);
  EXPECT_FALSE(twin_of(policy(XFRM_POLICY_OUT, "198.18.1.0/24", "198.18.2.0/24").key));
  const auto entry = followed_shunt(in, &forwarded, PolicyId{9});
  ASSERT_TRUE(entry) << "the control";
  EXPECT_EQ(entry->action, Action::kBypass);
  EXPECT_EQ(entry->order, 1200u) << "what stands between the two is asked before it";
  EXPECT_FALSE(followed_shunt(forwarded, &in, PolicyId{9})) << "one entry for both";
  EXPECT_FALSE(followed_shunt(in, nullptr, PolicyId{9}));
  forwarded.action = Action::kDiscard;
  EXPECT_FALSE(followed_shunt(in, &forwarded, PolicyId{9}));
}

TEST(Follow, WhatIsProtectedForwardedAloneIsDiscarded) {
  KernelPolicies policies = both_ways();
  const KernelPolicyRead alone = policy(XFRM_POLICY_FWD, "198.18.3.0/24", "198.18.1.0/24");
  policies.emplace(alone.key, alone);
  const FollowedGroup group = followed_group(5, policies, kIds);
  ASSERT_THAT(group.policies, SizeIs(2));
  EXPECT_EQ(group.policies[0].id, kIds.both);
  EXPECT_EQ(group.policies[1].id, kIds.closed_in);
  EXPECT_EQ(group.policies[1].action, Action::kDiscard);
  EXPECT_EQ(group.policies[1].direction, PolicyDirection::kIn);
  EXPECT_EQ(in_order(group.policies[1].selectors),
            in_order(Selectors{{ts("198.18.1.0/24")}, {ts("198.18.3.0/24")}}));
  EXPECT_FALSE(group.closed.empty());
  EXPECT_EQ(followed_group(5, both_ways(), kIds).closed, "") << "the control";
}

TEST(Follow, WhatIsOfAnotherPeerIsNoneOfTheGroup) {
  KernelPolicies policies = both_ways();
  KernelPolicyRead out = policy(XFRM_POLICY_OUT, "198.18.1.0/24", "198.18.9.0/24");
  KernelPolicyRead in = policy(XFRM_POLICY_IN, "198.18.9.0/24", "198.18.1.0/24");
  out.destination = in.source = ip("203.0.113.9");
  policies.emplace(out.key, out);
  policies.emplace(in.key, in);
  const TunnelEnds ends{ip("203.0.113.1"), ip("203.0.113.2")}, others{ip("203.0.113.1"), ip("203.0.113.9")};
  const FollowedGroup group = followed_group(5, policies, kIds, ends);
  EXPECT_EQ(group.ends, ends);
  EXPECT_EQ(group.out, followed_group(5, both_ways(), kIds).out);
  ASSERT_THAT(group.policies, SizeIs(3));
  EXPECT_EQ(group.policies[0].tunnel, ends);
  EXPECT_EQ(group.policies[1].id, kIds.closed_out);
  EXPECT_EQ(group.policies[1].action, Action::kDiscard);
  EXPECT_EQ(group.policies[1].direction, PolicyDirection::kOut);
  EXPECT_EQ(in_order(group.policies[1].selectors),
            in_order(Selectors{{ts("198.18.1.0/24")}, {ts("198.18.9.0/24")}}));
  EXPECT_EQ(group.policies[2].id, kIds.closed_in);
  EXPECT_FALSE(group.closed.empty());
  EXPECT_EQ(followed_group(5, policies, kIds, others).ends, others) << "those that it had stay";
  EXPECT_TRUE(followed_sa(sa("203.0.113.1", "203.0.113.2"), Direction::kOut, group, kIds)) << "the control";
  EXPECT_FALSE(followed_sa(sa("203.0.113.1", "203.0.113.9"), Direction::kOut, group, kIds));
  EXPECT_FALSE(followed_sa(sa("203.0.113.9", "203.0.113.1"), Direction::kIn, group, kIds));
}

}  // namespace
}  // namespace simplon::ctrl

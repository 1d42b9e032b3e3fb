// SPDX-License-Identifier: Apache-2.0
// The rules of the fence in nftables against the plain SPD: of a packet in clear the first entry that matches
// decides.
#include "ctrl/backend/xfrm/nft_rules.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <random>

namespace simplon::ctrl {
namespace {

TrafficSelector ts(const std::string& text) { return *TrafficSelector::parse(text); }

PolicySpec entry(std::uint32_t id, Action action, const char* local, const char* remote) {
  return {.id = PolicyId{id},
          .name = std::to_string(id),
          .order = 16 * id,
          .action = action,
          .selectors = {{ts(local)}, {ts(remote)}},
          .tunnel = {}};
}

void put(NftRules& rules, const PolicySpec& policy) { rules.put(policy, *kernel_policies(policy)); }

// A packet as a selector that is one packet: whole prefixes, whole ports.
xfrm_selector packet(const char* from, const char* to, std::uint8_t protocol, std::uint16_t sport,
                     std::uint16_t dport) {
  return {.daddr = to_kernel(*IpAddress::parse(to)),
          .saddr = to_kernel(*IpAddress::parse(from)),
          .dport = htons(dport),
          .dport_mask = 0xffff,
          .sport = htons(sport),
          .sport_mask = 0xffff,
          .family = family_of(*IpAddress::parse(from)),
          .prefixlen_d = 32,
          .prefixlen_s = 32,
          .proto = protocol,
          .ifindex = 0,
          .user = 0};
}

// What the rules do with it, as nftables would: shape by shape, the packet's fields under the shape's masks.
bool dropped(const NftRules& rules, const xfrm_selector& p, bool out) {
  for (const auto& [shape, elements] : rules.sets()) {
    if (shape.out != out || shape.v4 != (p.family == AF_INET)) continue;
    xfrm_selector masked_packet = p;
    const auto cut = [&](const xfrm_address_t& address, std::uint8_t length) {
      return to_kernel(masked(from_kernel(address, p.family), length));
    };
    masked_packet.saddr = cut(p.saddr, masked_packet.prefixlen_s = shape.source);
    masked_packet.daddr = cut(p.daddr, masked_packet.prefixlen_d = shape.destination);
    masked_packet.proto = shape.protocol ? p.proto : 0;
    masked_packet.sport_mask = htons(shape.sport);
    masked_packet.dport_mask = htons(shape.dport);
    if (elements.contains(nft_element(masked_packet, out).second)) return shape.closes;
  }
  return false;
}

// The same by the definition.
bool dropped(const std::map<std::uint32_t, PolicySpec>& spd, const xfrm_selector& p, bool out) {
  const TrafficSelector from{
      .protocol = p.proto,
      .ports = {ntohs(p.sport), ntohs(p.sport)},
      .addresses = TrafficSelector::of({from_kernel(p.saddr, p.family), 32}).addresses};
  TrafficSelector to = from;
  to.ports = {ntohs(p.dport), ntohs(p.dport)};
  to.addresses = TrafficSelector::of({from_kernel(p.daddr, p.family), 32}).addresses;
  for (const auto& [id, policy] : spd) {
    if (policy.direction != PolicyDirection::kBoth && (policy.direction == PolicyDirection::kOut) != out)
      continue;
    if (covers(policy.selectors.local, {out ? from : to}) &&
        covers(policy.selectors.remote, {out ? to : from}))
      return policy.action != Action::kBypass;
  }
  return false;
}

TEST(Rfc4301_4_4_1, TheFirstEntryDecidesInTheFenceOfNftablesToo) {
  std::mt19937 random(5);  // NOLINT: the same walk every time
  const auto one_of = [&](auto... of) {
    const std::array all{of...};
    return all[random() % sizeof...(of)];
  };
  const auto side = [&] {
    return one_of("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "10.2.0.0/16[tcp]",
                  "10.1.0.0/16[tcp/80]", "0.0.0.0/0[udp/1024-65535]", "10.1.2.0-10.1.5.255");
  };
  NftRules rules;
  std::map<std::uint32_t, PolicySpec> spd;
  unsigned drops = 0, passes = 0;
  for (int step = 0; step < 1500; ++step) {
    const auto id = static_cast<std::uint32_t>(1 + random() % 8);
    if (random() % 3 == 0) {
      spd.erase(id);
      rules.remove(PolicyId{id});
    } else {
      PolicySpec policy = entry(
          id, one_of(Action::kProtect, Action::kProtect, Action::kBypass, Action::kDiscard), side(), side());
      policy.direction = one_of(PolicyDirection::kBoth, PolicyDirection::kOut, PolicyDirection::kIn);
      const auto kernel = kernel_policies(policy);
      if (!kernel) continue;
      spd[id] = policy;
      rules.put(policy, *kernel);
    }
    if (random() % 2 == 0) (void)rules.close();
    (void)rules.commit();
    for (int i = 0; i < 20; ++i) {
      const auto host = [&] { return one_of("10.1.2.3", "10.1.2.4", "10.1.9.9", "10.2.0.1", "192.0.2.1"); };
      const xfrm_selector p =
          packet(host(), host(), one_of(kTcp, kUdp), one_of(std::uint16_t{80}, std::uint16_t{5000}),
                 one_of(std::uint16_t{80}, std::uint16_t{5000}));
      for (const bool out : {true, false}) {
        const bool want = dropped(spd, p, out);
        ASSERT_EQ(dropped(rules, p, out), want) << "step " << step;
        ++(want ? drops : passes);
      }
    }
  }
  EXPECT_GT(drops, 5000u);
  EXPECT_GT(passes, 5000u);
}

// Between close() and commit() more is closed than before and after, never less.
TEST(Rfc4301_4_4_1, WhatClosesIsWrittenFirstAndGoesLast) {
  NftRules rules;
  put(rules, entry(2, Action::kProtect, "10.1.0.0/16", "10.2.0.0/16"));
  EXPECT_NE(rules.close(), "");
  const auto first = packet("10.1.0.1", "10.2.0.1", kTcp, 1, 2),
             second = packet("10.1.0.1", "10.3.0.1", kTcp, 1, 2);
  EXPECT_TRUE(dropped(rules, first, true));
  (void)rules.commit();
  put(rules, entry(2, Action::kProtect, "10.1.0.0/16", "10.3.0.0/16"));
  EXPECT_NE(rules.close(), "");
  EXPECT_TRUE(dropped(rules, first, true) && dropped(rules, second, true));
  EXPECT_NE(rules.commit(), "");
  EXPECT_TRUE(!dropped(rules, first, true) && dropped(rules, second, true));
  put(rules, entry(1, Action::kBypass, "10.1.0.0/16", "10.3.0.0/24"));
  EXPECT_EQ(rules.close(), "");
  EXPECT_TRUE(dropped(rules, second, true)) << "what opens waits";
  (void)rules.commit();
  EXPECT_FALSE(dropped(rules, second, true));
  rules.remove(PolicyId{2});
  EXPECT_EQ(rules.close(), "");
  EXPECT_TRUE(dropped(rules, packet("10.1.0.1", "10.3.9.1", kTcp, 1, 2), true));
  (void)rules.commit();
  EXPECT_FALSE(dropped(rules, packet("10.1.0.1", "10.3.9.1", kTcp, 1, 2), true));
}

// An SA that comes or goes costs an element; an entry that its child's entry covers costs nothing.
TEST(NftRules, OneEntryMoreIsOneElementMore) {
  NftRules rules;
  put(rules, entry(5, Action::kProtect, "10.1.0.0/16", "10.2.0.0/24"));
  EXPECT_NE(rules.close().find("add table"), std::string::npos) << "a shape that was not there";
  (void)rules.commit();
  put(rules, entry(6, Action::kProtect, "10.1.0.0/16", "10.2.1.0/24"));
  const std::string added = rules.close();
  EXPECT_EQ(added.find("table"), std::string::npos) << added;
  EXPECT_NE(added.find("add element inet simplon out4_close0_16_24_0_0_0 { 10.1.0.0 . 10.2.1.0 }"),
            std::string::npos)
      << added;
  EXPECT_EQ(rules.commit(), "");
  PolicySpec narrowed = entry(7, Action::kProtect, "10.1.0.0/16", "10.2.0.7");
  narrowed.child = PolicyId{5};
  put(rules, narrowed);
  EXPECT_EQ(rules.close() + rules.commit(), "");
  rules.remove(PolicyId{7});
  EXPECT_EQ(rules.commit(), "");
  rules.remove(PolicyId{6});
  const std::string gone = rules.commit();
  EXPECT_NE(gone.find("delete element inet simplon in4_close0_24_16_0_0_0 { 10.2.1.0 . 10.1.0.0 }"),
            std::string::npos)
      << gone;
  EXPECT_EQ(gone.find("table"), std::string::npos) << gone;
}

TEST(NftRules, AnEntryForEverythingHasARuleOfItsOwn) {
  NftRules rules;
  const PolicySpec all = entry(5, Action::kDiscard, "0.0.0.0/0", "0.0.0.0/0");
  for (int i = 0; i < 2; ++i) {
    put(rules, all);
    EXPECT_NE(rules.close().find("meta nfproto ipv4 goto closed"), std::string::npos);
    (void)rules.commit();
    rules.remove(PolicyId{5});
    EXPECT_EQ(rules.commit().find("meta nfproto ipv4 goto closed"), std::string::npos);
  }
}

// A child's own entries close by its entry; when that one goes, by themselves.
TEST(NftRules, WhatInheritedClosesByItselfWhenItsParentIsGone) {
  NftRules rules;
  put(rules, entry(5, Action::kProtect, "10.1.0.0/16", "10.2.0.0/24"));
  PolicySpec narrowed = entry(4, Action::kProtect, "10.1.0.0/16", "10.2.0.7");
  narrowed.child = PolicyId{5};
  put(rules, narrowed);
  (void)rules.commit();
  const auto p = packet("10.1.0.1", "10.2.0.7", kTcp, 1, 2),
             other = packet("10.1.0.1", "10.2.0.8", kTcp, 1, 2);
  EXPECT_TRUE(dropped(rules, p, true) && dropped(rules, other, true));
  rules.remove(PolicyId{5});
  (void)rules.commit();
  EXPECT_TRUE(dropped(rules, p, true) && !dropped(rules, other, true));
  rules.remove(PolicyId{4});
  (void)rules.commit();
  EXPECT_FALSE(dropped(rules, p, true));
}

}  // namespace
}  // namespace simplon::ctrl

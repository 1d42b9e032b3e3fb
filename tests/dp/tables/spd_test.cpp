// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/spd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace simplon::dp {
namespace {

TrafficSelector ts(const char* text) { return *TrafficSelector::parse(text); }

PolicySpec policy(std::uint32_t id, std::uint32_t order, const char* local, const char* remote,
                  Action action = Action::kProtect) {
  return {.id = PolicyId{id}, .order = order, .action = action, .selectors = {{ts(local)}, {ts(remote)}}};
}

Flow flow(const char* source, const char* destination, std::uint8_t protocol = kUdp,
          std::uint16_t sport = 1000, std::uint16_t dport = 2000) {
  return {.source = *IpAddress::parse(source),
          .destination = *IpAddress::parse(destination),
          .sport = sport,
          .dport = dport,
          .protocol = protocol};
}

// RFC 4301 §4.4.1 as it is said: an ordered list, the first entry that matches decides.
class Oracle {
 public:
  explicit Oracle(std::vector<Spd::Input> policies) : policies_(std::move(policies)) {
    std::ranges::sort(policies_, {},
                      [](const Spd::Input& i) { return std::pair(i.policy.order, i.policy.id); });
  }
  const Spd::Input* find(Direction direction, const Flow& flow) const {
    for (const Spd::Input& input : policies_) {
      const PolicyDirection d = input.policy.direction;
      if (d != PolicyDirection::kBoth && (d == PolicyDirection::kOut) != (direction == Direction::kOut))
        continue;
      const Selectors& s = input.policy.selectors;
      if (direction == Direction::kOut ? matches(s.local, s.remote, flow) : matches(s.remote, s.local, flow))
        return &input;
    }
    return nullptr;
  }

 private:
  static bool matches(const TrafficSelectors& sources, const TrafficSelectors& destinations,
                      const Flow& flow) {
    for (const TrafficSelector& s : sources)
      for (const TrafficSelector& d : destinations)
        if (one(s, flow.source, flow.protocol, flow.sport) &&
            one(d, flow.destination, flow.protocol, flow.dport))
          return true;
    return false;
  }
  static bool one(const TrafficSelector& s, const IpAddress& a, std::uint8_t protocol, std::uint16_t port) {
    return s.addresses.contains(a) && (s.protocol == kAnyProtocol || s.protocol == protocol) &&
           s.ports.contains(port);
  }
  std::vector<Spd::Input> policies_;
};

// Policies and flows from a small world, so that they meet often.
class World {
 public:
  explicit World(unsigned seed) : random_(seed) {}
  unsigned pick(unsigned n) { return static_cast<unsigned>(random_() % n); }
  IpAddress address(Family family) {
    if (family == Family::kV4)
      return IpAddress::v4(198, 18, static_cast<std::uint8_t>(pick(4)), static_cast<std::uint8_t>(pick(16)));
    std::array<std::uint8_t, 16> raw{0x20, 0x01, 0x0d, 0xb8};
    raw[7] = static_cast<std::uint8_t>(pick(3));  // both halves of the address count
    raw[15] = static_cast<std::uint8_t>(pick(16));
    return *IpAddress::from_bytes(raw);
  }
  AddressRange addresses(Family family) {
    if (pick(8) == 0) return AddressRange::of(Prefix::all(family));
    const IpAddress a = address(family), b = address(family);
    if (pick(3) == 0) return {std::min(a, b), std::max(a, b)};
    const unsigned bits = family == Family::kV4 ? 20 + pick(13) : 48 + pick(81);
    return AddressRange::of({masked(a, bits), static_cast<std::uint8_t>(bits)});
  }
  TrafficSelector selector(Family family) {
    TrafficSelector s{.addresses = addresses(family)};
    if (pick(2) == 0) s.protocol = kProtocols[pick(3)];
    if (pick(3) == 0) {
      const auto a = static_cast<std::uint16_t>(pick(8)), b = static_cast<std::uint16_t>(pick(8));
      s.ports = {std::min(a, b), std::max(a, b)};
    }
    return s;
  }
  Spd::Input input(std::uint32_t id) {
    PolicySpec p{.id = PolicyId{id},
                 .order = pick(20),
                 .direction = static_cast<PolicyDirection>(pick(3)),
                 .action = static_cast<Action>(pick(3))};
    for (unsigned i = 0, n = 1 + pick(3); i < n; ++i) p.selectors.local.push_back(selector(family()));
    for (unsigned i = 0, n = 1 + pick(3); i < n; ++i) p.selectors.remote.push_back(selector(family()));
    return {p, 1000 + id};
  }
  Flow any_flow() {
    const Family f = family();
    return {.source = address(f),
            .destination = address(f),
            .sport = static_cast<std::uint16_t>(pick(9)),
            .dport = static_cast<std::uint16_t>(pick(9)),
            .protocol = kProtocols[pick(3)]};
  }

 private:
  static constexpr std::uint8_t kProtocols[] = {kTcp, kUdp, kIcmp};
  Family family() { return pick(2) == 0 ? Family::kV4 : Family::kV6; }
  std::mt19937 random_;
};

TEST(Rfc4301_4_4_1, TupleSpaceDecidesAsTheOrderedList) {
  std::size_t found = 0, tried = 0;
  for (unsigned seed = 0; seed < 150; ++seed) {
    World world(seed);
    std::vector<Spd::Input> inputs;
    for (std::uint32_t id = 1, n = 1 + world.pick(60); id <= n; ++id) inputs.push_back(world.input(id));
    const Spd spd(inputs);
    const Oracle oracle(inputs);
    for (int i = 0; i < 400; ++i) {
      const Flow f = world.any_flow();
      for (const Direction d : {Direction::kOut, Direction::kIn}) {
        const Spd::Entry* entry = spd.find(d, f);
        const Spd::Input* want = oracle.find(d, f);
        ASSERT_EQ(entry != nullptr, want != nullptr) << "seed " << seed << " " << f.source.text();
        ++tried, found += entry != nullptr;
        if (entry == nullptr) continue;
        ASSERT_EQ(entry->slot, want->slot) << "seed " << seed;
        ASSERT_EQ(entry->action, want->policy.action);
      }
    }
  }
  EXPECT_GT(found, tried / 4) << "the world is too large: hardly a flow meets a policy";
  EXPECT_LT(found, tried * 3 / 4) << "or too small";
}

TEST(Rfc4301_4_4_1, LowestOrderDecidesThenTheId) {
  const Spd spd({{policy(7, 10, "0.0.0.0/0", "0.0.0.0/0"), 7},
                 {policy(3, 10, "0.0.0.0/0", "0.0.0.0/0"), 3},
                 {policy(9, 5, "198.18.0.0/24", "0.0.0.0/0"), 9}});
  EXPECT_EQ(spd.find(Direction::kOut, flow("198.18.0.1", "203.0.113.1"))->slot, 9u);
  EXPECT_EQ(spd.find(Direction::kOut, flow("198.18.1.1", "203.0.113.1"))->slot, 3u);
}

TEST(Rfc4301_4_4_1, EmptySpdMatchesNothing) {
  const Spd spd;
  EXPECT_EQ(spd.find(Direction::kOut, flow("198.18.0.1", "203.0.113.1")), nullptr);
  EXPECT_EQ(spd.find(Direction::kIn, flow("2001:db8::1", "2001:db8::2")), nullptr);
}

TEST(Rfc4301_4_4_1, LocalIsTheSourceOutwardsAndTheDestinationInwards) {
  const Spd spd({{policy(1, 1, "198.18.1.0/24", "198.18.2.0/24"), 1}});
  EXPECT_NE(spd.find(Direction::kOut, flow("198.18.1.1", "198.18.2.1")), nullptr);
  EXPECT_EQ(spd.find(Direction::kOut, flow("198.18.2.1", "198.18.1.1")), nullptr);
  EXPECT_NE(spd.find(Direction::kIn, flow("198.18.2.1", "198.18.1.1")), nullptr);
  EXPECT_EQ(spd.find(Direction::kIn, flow("198.18.1.1", "198.18.2.1")), nullptr);
}

TEST(Rfc4301_4_4_1_1, IcmpTypeAndCodeAreAPort) {
  const Spd spd({{policy(1, 1, "0.0.0.0/0[icmp/2048]", "0.0.0.0/0[icmp/2048]"), 1}});  // echo request
  EXPECT_NE(spd.find(Direction::kOut, flow("198.18.0.1", "198.18.0.2", kIcmp, 2048, 2048)), nullptr);
  EXPECT_EQ(spd.find(Direction::kOut, flow("198.18.0.1", "198.18.0.2", kIcmp, 0, 0)), nullptr);
}

// The first and the last address of a range, and their neighbours outside it: both families, and the ends of
// the address space.
TEST(Rfc4301_4_4_1_1, RangesAreExactAtBothEnds) {
  const auto find = [](const Spd& spd, const char* a) {
    return spd.find(Direction::kOut,
                    flow(a, IpAddress::parse(a)->is_v4() ? "203.0.113.1" : "2001:db8:f::1")) != nullptr;
  };
  const Spd v4({{policy(1, 1, "198.18.0.7-198.18.3.200", "0.0.0.0/0"), 1}});
  EXPECT_FALSE(find(v4, "198.18.0.6"));
  EXPECT_TRUE(find(v4, "198.18.0.7") && find(v4, "198.18.1.0") && find(v4, "198.18.3.200"));
  EXPECT_FALSE(find(v4, "198.18.3.201"));
  const Spd v6({{policy(1, 1, "2001:db8::ffff:ffff:ffff:fffe-2001:db8:0:1::3", "::/0"), 1}});
  EXPECT_FALSE(find(v6, "2001:db8::ffff:ffff:ffff:fffd"));
  EXPECT_TRUE(find(v6, "2001:db8::ffff:ffff:ffff:fffe") && find(v6, "2001:db8:0:1::") &&
              find(v6, "2001:db8:0:1::3"));
  EXPECT_FALSE(find(v6, "2001:db8:0:1::4"));
  const Spd all({{policy(1, 1, "0.0.0.1-255.255.255.255", "0.0.0.0/0"), 1},
                 {policy(2, 1, "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"), 2}});
  EXPECT_FALSE(find(all, "0.0.0.0") || find(all, "::"));
  EXPECT_TRUE(find(all, "0.0.0.1") && find(all, "255.255.255.255"));
  EXPECT_TRUE(find(all, "::1") && find(all, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
}

TEST(PrefixesOf, CoverARangeExactlyAndInOrder) {
  World world(5);
  for (int i = 0; i < 2000; ++i) {
    const AddressRange range = world.addresses(i % 2 == 0 ? Family::kV4 : Family::kV6);
    const auto prefixes = prefixes_of(range);
    ASSERT_EQ(prefixes.front().first(), range.first);
    ASSERT_EQ(prefixes.back().last(), range.last);
    for (std::size_t k = 1; k < prefixes.size(); ++k) ASSERT_LT(prefixes[k - 1].last(), prefixes[k].first());
    if (range.first.is_v4()) {
      std::uint64_t covered = 0;
      for (const Prefix& p : prefixes) covered += std::uint64_t{1} << (32 - p.length);
      ASSERT_EQ(covered, std::uint64_t{range.last.v4_host()} - range.first.v4_host() + 1);
    }
  }
}

// The worst pair of ranges that a peer or a person can write: as prefixes it would be 254 times 254 entries
// and as many tables to visit.
TEST(Spd, TheWorstRangesCostNoMoreThanAFewTables) {
  const char* worst = "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe";
  const Spd spd({{policy(1, 1, worst, worst), 1}});
  EXPECT_LE(spd.entries(), 64u);
  EXPECT_NE(spd.find(Direction::kOut, flow("2001:db8::1", "2001:db8::2")), nullptr);
  EXPECT_EQ(spd.find(Direction::kOut, flow("::", "2001:db8::2")), nullptr);
}

// What RFC 4301 §7 asks: ports of a later fragment are not known, so it must not slip past an entry that asks
// for them to one below that lets it through.
TEST(Rfc4301_7, LaterFragmentStopsAtTheEntryThatAsksForItsPorts) {
  const Spd spd({{policy(1, 1, "198.18.1.0/24", "198.18.2.0/24[udp/2000]", Action::kProtect), 1},
                 {policy(2, 2, "0.0.0.0/0", "0.0.0.0/0", Action::kBypass), 2}});
  Flow f = flow("198.18.1.1", "198.18.2.1", kUdp, 0, 0);
  EXPECT_EQ(spd.find(Direction::kOut, f)->slot, 2u) << "port 0 itself is another port";
  f.fragment = true;
  EXPECT_EQ(spd.find(Direction::kOut, f)->slot, 1u);
  f.protocol = kTcp;
  EXPECT_EQ(spd.find(Direction::kOut, f)->slot, 2u) << "another protocol is known to be another";
}

// RFC 4301 §4.4.1.2: one set's local side does not go with another's remote side.
TEST(Rfc4301_4_4_1_2, SetsOfSelectorsStandOnTheirOwnWithOneRank) {
  PolicySpec two = policy(1, 10, "198.18.1.0/24[tcp]", "192.0.2.0/24[tcp/443]");
  two.selectors.more = {{{ts("198.18.2.0/24[udp]")}, {ts("203.0.113.0/24[udp/53]")}}};
  const Spd spd({{two, 7}, {policy(2, 20, "198.18.0.0/16", "0.0.0.0/0", Action::kBypass), 8}});
  const auto slot = [&](const Flow& f) { return spd.find(Direction::kOut, f)->slot; };
  EXPECT_EQ(slot(flow("198.18.1.1", "192.0.2.1", kTcp, 1000, 443)), 7u);
  EXPECT_EQ(slot(flow("198.18.2.1", "203.0.113.1", kUdp, 1000, 53)), 7u);
  EXPECT_EQ(slot(flow("198.18.1.1", "203.0.113.1", kUdp, 1000, 53)), 8u);
  EXPECT_EQ(slot(flow("198.18.1.1", "203.0.113.1", kTcp, 1000, 443)), 8u);
  EXPECT_EQ(slot(flow("198.18.2.1", "192.0.2.1", kTcp, 1000, 443)), 8u);
  const Spd::Entry* in = spd.find(Direction::kIn, flow("203.0.113.1", "198.18.2.1", kUdp, 53, 1000));
  ASSERT_NE(in, nullptr);
  EXPECT_EQ(in->slot, 7u);
}

}  // namespace
}  // namespace simplon::dp

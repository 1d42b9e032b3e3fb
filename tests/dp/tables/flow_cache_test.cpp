// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/flow_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <set>
#include <vector>

namespace simplon::dp {
namespace {

const Decision kSome{.kind = Decision::Kind::kForward, .index = 7};

template <class Key>
void is_known_under_its_generation_only() {
  FlowCache<Key> cache;
  const Key key{.sport = 1, .dport = 2, .protocol = kUdp};
  const std::size_t slot = FlowCache<Key>::slot(key);
  EXPECT_EQ(cache.find(slot, key, 1), nullptr) << "an empty entry is no decision";
  cache.keep(slot, key, 1, kSome);
  ASSERT_NE(cache.find(slot, key, 1), nullptr);
  EXPECT_EQ(*cache.find(slot, key, 1), kSome);
  EXPECT_EQ(cache.find(slot, key, 2), nullptr);
}

TEST(FlowCache, ADecisionIsKnownUnderItsGenerationOnly) {
  is_known_under_its_generation_only<FlowKey4>();
  is_known_under_its_generation_only<FlowKey6>();
}

// Every bit of a flow distinguishes it: what one flow may do is never another's.
template <class Key>
void every_bit_counts() {
  FlowCache<Key> cache;
  const Key key{.sport = 0x1234, .dport = 0x5678, .protocol = kTcp, .port = 3};
  cache.keep(5, key, 1, kSome);
  const auto other = [&](auto change) {
    Key k = key;
    change(k);
    EXPECT_NE(cache.find(5, key, 1), nullptr);
    EXPECT_EQ(cache.find(5, k, 1), nullptr);  // the same place, as if both hashed to it
  };
  for (unsigned bit = 0; bit < 16; ++bit) {
    const auto one = static_cast<std::uint16_t>(1u << bit);
    other([&](Key& k) { k.sport ^= one; });
    other([&](Key& k) { k.dport ^= one; });
    other([&](Key& k) { k.port ^= one; });
    if (bit < 8) other([&](Key& k) { k.protocol ^= static_cast<std::uint8_t>(one); });
  }
  for (unsigned bit = 0; bit < 8 * sizeof key.addresses; ++bit)
    other([&](Key& k) {
      reinterpret_cast<std::uint8_t*>(&k.addresses)[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    });
  other([](Key& k) { k.fragment = true; });
  for (const Origin o : {Origin::kUnprotected, Origin::kHostProtected, Origin::kHostUnprotected})
    other([&](Key& k) { k.origin = o; });
}

TEST(FlowCache, EveryBitOfTheKeyCounts) {
  every_bit_counts<FlowKey4>();
  every_bit_counts<FlowKey6>();
}

TEST(FlowCache, TwoFlowsOfOneSetAreBothKnown) {
  FlowCache<FlowKey4> cache;
  const FlowKey4 a{.sport = 1}, b{.sport = 2}, c{.sport = 3};
  for (const FlowKey4& key : {a, b, c}) cache.keep(9, key, 1, kSome);
  EXPECT_EQ(cache.find(9, a, 1), nullptr);
  EXPECT_NE(cache.find(9, b, 1), nullptr);
  EXPECT_NE(cache.find(9, c, 1), nullptr);
}

TEST(FlowCache, NeighbouringFlowsSpread) {
  std::set<std::size_t> ports, hosts;
  for (std::uint16_t i = 0; i < 1000; ++i) {
    ports.insert(FlowCache<FlowKey4>::slot(
        FlowKey4{.addresses = 1 | 2ull << 32, .sport = i, .dport = 80, .protocol = kTcp}));
    hosts.insert(FlowCache<FlowKey4>::slot(
        FlowKey4{.addresses = std::uint64_t{i} << 16 | 0x12c6 | 2ull << 32, .protocol = kTcp}));
  }
  // 1,000 at random in 8,192 fill 941 on average.
  EXPECT_GT(ports.size(), 890u);
  EXPECT_GT(hosts.size(), 890u);
}

// Flows as networks have them: counted up in one place, or in two at once. Of 100,000 at random the fullest
// of 8,192 sets has about 30.
constexpr unsigned kFlows = 100'000, kFullest = 40;

template <class Key, class Make>
unsigned fullest(Make make) {
  std::vector<unsigned> sets(FlowCache<Key>::kSets);
  for (std::uint32_t i = 0; i < kFlows; ++i) ++sets[FlowCache<Key>::slot(make(i))];
  return *std::ranges::max_element(sets);
}

FlowKey4 flow4(std::uint32_t source, std::uint32_t destination, std::uint32_t ports) {
  return {.addresses = std::uint64_t{std::byteswap(destination)} << 32 | std::byteswap(source),
          .sport = static_cast<std::uint16_t>(1024 + (ports & 0x7fff)),
          .dport = static_cast<std::uint16_t>(443 + (ports >> 15)),
          .protocol = kTcp};
}
FlowKey6 flow6(std::uint64_t subnets, std::uint64_t source, std::uint64_t destination, std::uint32_t ports) {
  const FlowKey4 v4 = flow4(0, 0, ports);
  return {.addresses = {std::byteswap(0x20010db800000000 + subnets), std::byteswap(source),
                        std::byteswap(0x20010db8ffff0000 + subnets), std::byteswap(destination)},
          .sport = v4.sport,
          .dport = v4.dport,
          .protocol = kTcp};
}

TEST(FlowCache, StructuredFlowsOfIpv4Spread) {
  EXPECT_LT(fullest<FlowKey4>([](auto i) { return flow4(0xc6120100 + i, 0xc6130001, 0); }), kFullest);
  EXPECT_LT(fullest<FlowKey4>([](auto i) { return flow4(0xc6120101, 0xc6130000 + i, 0); }), kFullest);
  EXPECT_LT(fullest<FlowKey4>([](auto i) { return flow4(0xc6120101, 0xc6130001, i); }), kFullest);
  EXPECT_LT(fullest<FlowKey4>([](auto i) { return flow4(0x0a000000 + i, 0x0b000000 + i, 0); }), kFullest);
  EXPECT_LT(fullest<FlowKey4>([](auto i) { return flow4(0x0a000000 + (i << 8), 0x0b000001, i); }), kFullest);
}

TEST(FlowCache, StructuredFlowsOfIpv6Spread) {
  EXPECT_LT(fullest<FlowKey6>([](auto i) { return flow6(0, 1 + i, 1, 0); }), kFullest);
  EXPECT_LT(fullest<FlowKey6>([](auto i) { return flow6(0, 1, 1 + i, 0); }), kFullest);
  EXPECT_LT(fullest<FlowKey6>([](auto i) { return flow6(i, 1, 1, 0); }), kFullest);
  EXPECT_LT(fullest<FlowKey6>([](auto i) { return flow6(0, 1, 1, i); }), kFullest);
  EXPECT_LT(fullest<FlowKey6>([](auto i) { return flow6(0, 1 + i, 1 + i, 0); }), kFullest);
  EXPECT_LT(fullest<FlowKey6>([](auto i) { return flow6(std::uint64_t{i} << 16, 1, 1, i); }), kFullest);
}

}  // namespace
}  // namespace simplon::dp

#include "dp/flow_cache.h"

#include <gtest/gtest.h>

#include <set>

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
  Key key{};
  auto* raw = reinterpret_cast<std::uint8_t*>(&key);
  for (std::size_t i = 0; i < sizeof key; ++i) raw[i] = static_cast<std::uint8_t>(i * 37 + 1);
  for (std::size_t bit = 0; bit < 8 * sizeof key; ++bit) {
    Key other = key;
    reinterpret_cast<std::uint8_t*>(&other)[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    cache.keep(5, key, 1, kSome);  // the same place, as if both hashed to it
    EXPECT_NE(cache.find(5, key, 1), nullptr);
    EXPECT_EQ(cache.find(5, other, 1), nullptr) << bit;
  }
}

TEST(FlowCache, EveryBitOfTheKeyCounts) {
  every_bit_counts<FlowKey4>();
  every_bit_counts<FlowKey6>();
}

TEST(FlowCache, NeighbouringFlowsSpread) {
  std::set<std::size_t> ports, hosts;
  for (std::uint16_t i = 0; i < 1000; ++i) {
    ports.insert(FlowCache<FlowKey4>::slot(
        FlowKey4{.source = 1, .destination = 2, .sport = i, .dport = 80, .protocol = kTcp}));
    hosts.insert(FlowCache<FlowKey4>::slot(
        FlowKey4{.source = std::uint32_t{i} << 16 | 0x12c6, .destination = 2, .protocol = kTcp}));
  }
  // 1,000 at random in 4,096 fill 886 on average.
  EXPECT_GT(ports.size(), 820u);
  EXPECT_GT(hosts.size(), 820u);
}

}  // namespace
}  // namespace simplon::dp

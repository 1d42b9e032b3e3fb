#include "dp/tables/flow_cache.h"

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

}  // namespace
}  // namespace simplon::dp

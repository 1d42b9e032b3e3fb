// SPDX-License-Identifier: Apache-2.0
// A worker's memory of what was decided, per flow. Two ways a set, generation checked; a miss costs a
// look-up, never more. One thread: its worker.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>

#include "dp/packet/flow.h"

namespace simplon::dp {

// A flow, put together in registers and compared as words.
struct FlowKey4 {
  std::uint64_t addresses = 0;  // source and destination as they stand in the packet
  std::uint16_t sport = 0, dport = 0;
  std::uint8_t protocol = 0;
  Origin origin{};
  bool fragment = false;   // see Flow
  std::uint16_t port = 0;  // where it came in

  std::uint64_t rest() const {
    return std::uint64_t{sport} | std::uint64_t{dport} << 16 | std::uint64_t{protocol} << 32 |
           std::uint64_t{static_cast<std::uint8_t>(origin)} << 40 | std::uint64_t{fragment} << 44 |
           std::uint64_t{port} << 48;
  }
  std::array<std::uint64_t, 2> words() const { return {addresses, rest()}; }
};

struct FlowKey6 {
  std::array<std::uint64_t, 4> addresses{};
  std::uint16_t sport = 0, dport = 0;
  std::uint8_t protocol = 0;
  Origin origin{};
  bool fragment = false;
  std::uint16_t port = 0;

  std::array<std::uint64_t, 5> words() const {
    const FlowKey4 same{0, sport, dport, protocol, origin, fragment, port};
    return {addresses[0], addresses[1], addresses[2], addresses[3], same.rest()};
  }
};

template <class K>
class FlowCache {
  using Words = decltype(K{}.words());
  static constexpr std::size_t kWords = std::tuple_size_v<Words>;
  static_assert(kWords == 2 || kWords == 5);

 public:
  using Key = K;
  static constexpr std::size_t kSets = 8192;

  FlowCache() : sets_(std::make_unique<Set[]>(kSets)) {}

  // The products do not wait for each other: one a pair of words, what is left has a constant for partner.
  static std::size_t slot(const Key& key) {
    const Words w = key.words();
    // The sum keeps the ports in it where one factor is zero.
    std::uint64_t h = folded_product(w.back() ^ kOdd[0], w[0] ^ kOdd[1]) + w.back();
    if constexpr (kWords == 5)
      h ^= folded_product(w[1] ^ kOdd[2], w[2] ^ kOdd[3]) + folded_product(w[3] ^ kOdd[4], kOdd[5]);
    return h & (kSets - 1);
  }
  const Decision* find(std::size_t slot, const Key& key, std::uint32_t generation) const {
    const Words words = key.words();
    for (const Entry& e : sets_[slot].ways)
      if (e.generation == generation && equal(e.words, words)) return &e.decision;
    return nullptr;
  }
  // The older one of the set gives way.
  const Decision& keep(std::size_t slot, const Key& key, std::uint32_t generation, const Decision& decision) {
    auto& ways = sets_[slot].ways;
    ways[1] = ways[0];
    ways[0] = {key.words(), decision, generation};
    return ways[0].decision;
  }

 private:
  struct Entry {
    Words words{};
    Decision decision{};
    std::uint32_t generation = 0;  // tables start at 1
  };
  struct alignas(64) Set {
    std::array<Entry, 2> ways;
  };
  static_assert(sizeof(Set) <= 128);
  // Fractions of well-known irrational numbers and the like: no structure that addresses or ports have.
  static constexpr std::array<std::uint64_t, 6> kOdd{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9,
                                                     0x94d049bb133111eb, 0xd6e8feb86659fd93,
                                                     0xa0761d6478bd642f, 0xe7037ed1a0b428db};
  static std::uint64_t folded_product(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{a} * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  // std::array's own comparison is a call of memcmp.
  static bool equal(const Words& a, const Words& b) {
    std::uint64_t differ = 0;
    for (std::size_t i = 0; i < a.size(); ++i) differ |= a[i] ^ b[i];
    return differ == 0;
  }
  std::unique_ptr<Set[]> sets_;
};

}  // namespace simplon::dp

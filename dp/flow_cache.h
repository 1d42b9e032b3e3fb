// A worker's memory of what was decided: flows of both families, and routes of destinations. Direct mapped,
// generation checked, one cache line an entry at most; a miss costs a look-up, never more. One thread: its
// worker.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>

#include "dp/flow.h"

namespace simplon::dp {

// A flow as it stands in the packet: network byte order, compared as words.
struct alignas(16) FlowKey4 {
  std::uint32_t source = 0, destination = 0;
  std::uint16_t sport = 0, dport = 0;
  std::uint8_t protocol = 0;
  Origin origin : 4 {};
  std::uint8_t fragment : 4 = 0;  // 1: see Flow
  std::uint16_t port = 0;         // where it came in

  std::array<std::uint64_t, 2> words() const {
    std::array<std::uint64_t, 2> w;
    std::memcpy(w.data(), this, 16);
    return w;
  }
};
static_assert(sizeof(FlowKey4) == 16);

struct alignas(8) FlowKey6 {
  std::array<std::uint8_t, 16> source{}, destination{};
  std::uint16_t sport = 0, dport = 0;
  std::uint8_t protocol = 0;
  Origin origin : 4 {};
  std::uint8_t fragment : 4 = 0;
  std::uint16_t port = 0;

  std::array<std::uint64_t, 5> words() const {
    std::array<std::uint64_t, 5> w;
    std::memcpy(w.data(), this, 40);
    return w;
  }
};
static_assert(sizeof(FlowKey6) == 40);

template <class Key>
class FlowCache {
 public:
  static constexpr std::size_t kEntries = 4096;

  FlowCache() : entries_(std::make_unique<Entry[]>(kEntries)) {}

  static std::size_t slot(const Key& key) {
    std::uint64_t h = 0;
    for (const std::uint64_t w : key.words()) h = (h ^ w) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    return h & (kEntries - 1);
  }
  void prefetch(std::size_t slot) const { __builtin_prefetch(&entries_[slot]); }
  const Decision* find(std::size_t slot, const Key& key, std::uint32_t generation) const {
    const Entry& e = entries_[slot];
    return e.generation == generation && e.words == key.words() ? &e.decision : nullptr;
  }
  const Decision& keep(std::size_t slot, const Key& key, std::uint32_t generation, const Decision& decision) {
    entries_[slot] = {key.words(), decision, generation};
    return entries_[slot].decision;
  }

 private:
  struct Entry {
    decltype(Key{}.words()) words{};
    Decision decision{};
    std::uint32_t generation = 0;  // tables start at 1
  };
  static_assert(sizeof(Entry) <= 64);
  std::unique_ptr<Entry[]> entries_;
};

}  // namespace simplon::dp

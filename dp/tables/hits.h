// SPDX-License-Identifier: Apache-2.0
// How often the entries of the SPD were what decided, as one worker counts it: what entries that do not
// protect let pass or discard, what no entry takes, and what found no SA. What entries that protect take, the
// SAs count (Registry::hits()), so that a packet of an SA is not counted twice.
//
// Counters are numbered by the entry's slot (Tables::outbound), which it has as long as it lives. Written by
// the worker alone, read by the control thread at any time.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "dp/base/counter.h"
#include "dp/base/sa_spec.h"

namespace simplon::dp {

// The number of slots has a bound (dp/tables/tables.h).
inline constexpr std::uint32_t kMostSlots = 1u << 20;

// Of a packet that crosses no boundary, which nobody asks for; of what no entry takes; of an entry.
inline constexpr std::uint32_t kNoHit = 0;
constexpr std::uint32_t default_hit(Direction direction) { return 2 + static_cast<std::uint32_t>(direction); }
constexpr std::uint32_t hit_of(std::uint32_t slot, Direction direction) {
  return 4 + 2 * slot + static_cast<std::uint32_t>(direction);
}

constexpr std::uint32_t slot_of(std::uint32_t hit) { return (hit - 4) / 2; }

class Hits {
 public:
  // Room for every slot at once: pages that nobody writes to take no memory.
  Hits() : counters_(make(hit_of(kMostSlots, {}))) {}

  void count(std::uint32_t hit) { ++counters_.get()[hit]; }
  // By number, for who counts every packet of a burst.
  using Counters = Counter*;
  Counters counters() { return counters_.get(); }
  std::uint64_t get(std::uint32_t hit) const { return counters_.get()[hit]; }

 private:
  struct Free {
    void operator()(Counter* counters) const { std::free(counters); }
  };
  using Store = std::unique_ptr<Counter, Free>;
  // Zero octets are counters at zero.
  static Store make(std::size_t n) {
    void* zeros = std::calloc(n, sizeof(Counter));
    if (zeros == nullptr) throw std::bad_alloc();
    return Store(static_cast<Counter*>(zeros));
  }
  Store counters_;
};

}  // namespace simplon::dp

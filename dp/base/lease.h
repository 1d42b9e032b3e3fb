// SPDX-License-Identifier: Apache-2.0
// How far an SA has come, in memory that outlives the process: whoever goes on with the SA when the process
// dies at any instruction starts there, so that no sequence number and no IV is used twice under one key (RFC
// 4303 §3.3.3, RFC 4106 §3), and so that the window refuses what it has refused before (RFC 4303 §3.4.3).
//
// One slot for each SA that has one. Its SA's worker and the control thread write it, a guard process reads
// it once this process has ended. While several processes have the memory, the one that forwards writes it.
#pragma once

#include <atomic>
#include <cstdint>

namespace simplon::dp {

// How many sequence numbers the owner of an outbound SA takes ahead, so many are lost at most when it dies.
inline constexpr std::uint64_t kLeaseStep = 1u << 16;
// After how many packets at the latest the top of a window is published.
inline constexpr std::uint64_t kFloorStep = 1u << 12;

struct SaLease {
  // Of an outbound SA: numbers below it may have been used, none from it on has been. Who sends, also who
  // goes on, raises it before: a former owner that still lives sees that, and ends the SA. Of an inbound SA
  // it is 1. 0: the slot is free, and nobody may send by what was known of its SA.
  std::atomic<std::uint64_t> ceiling{0};
  // Of an inbound SA: the top of its replay window, as of kFloorStep packets or a second ago at most. It
  // never falls, and is never above the top.
  std::atomic<std::uint64_t> floor{0};
};
static_assert(sizeof(SaLease) == 16 && std::atomic<std::uint64_t>::is_always_lock_free,
              "two processes share it");

// A number that only grows, whoever writes it.
inline void raise(std::atomic<std::uint64_t>& number, std::uint64_t to) {
  std::uint64_t is = number;
  while (is < to && !number.compare_exchange_weak(is, to)) {
  }
}

inline constexpr std::uint32_t kNoLease = ~std::uint32_t{0};

// Where an SA begins. The default: a new one that nobody goes on with.
struct SaStart {
  // Outbound: the first number that may be used; but none that is below the ceiling of its lease.
  std::uint64_t next_sequence = 1;
  // Inbound: this number and all below are refused, as are those up to the floor of its lease. With ESN both
  // have their high halves.
  std::uint64_t replay_top = 0;
  // Index of a slot that is free, or was this SA's before. It is free again some time after the SA was
  // removed: then its ceiling is 0.
  std::uint32_t lease = kNoLease;
  // What passed before, as far as it is known: the SA's counters and its volume limits go on from there.
  std::uint64_t packets = 0, bytes = 0;
};

}  // namespace simplon::dp

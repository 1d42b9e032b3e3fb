// SPDX-License-Identifier: Apache-2.0
// Soft and hard volume limits of one SA (RFC 4301 §4.4.2.1). One thread: the SA's owner.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace simplon::dp {

inline constexpr std::uint64_t kNever = ~std::uint64_t{0};

// A packet is compared with the next limit only (next_packets(), next_bytes(), which the SA keeps in its hot
// part). At that limit reached() says which one it was; each limit is reported once.
struct SaLimits {
  std::uint64_t soft_packets = kNever, hard_packets = kNever, soft_bytes = kNever, hard_bytes = kNever;
  bool soft_reported = false, hard_reported = false, expired = false;

  enum class Limit : std::uint8_t { kNone, kSoft, kHard };
  // The limit that is to be reported now. `packets` and `bytes` passed so far; when `expired` is set, nothing
  // more may pass.
  Limit reached(std::uint64_t packets, std::uint64_t bytes) {
    if (expired || packets >= hard_packets || bytes >= hard_bytes) {
      expired = true;
      return std::exchange(hard_reported, true) ? Limit::kNone : Limit::kHard;
    }
    if (!soft_reported && (packets >= soft_packets || bytes >= soft_bytes))
      return soft_reported = true, Limit::kSoft;
    return Limit::kNone;
  }
  // The report was lost: the next packet makes it again.
  void report_again(Limit limit) {
    if (limit == Limit::kSoft) soft_reported = false;
    if (limit == Limit::kHard) hard_reported = false;
  }
  std::uint64_t next_packets() const {
    return soft_reported ? hard_packets : std::min(soft_packets, hard_packets);
  }
  std::uint64_t next_bytes() const { return soft_reported ? hard_bytes : std::min(soft_bytes, hard_bytes); }
};

}  // namespace simplon::dp

// Soft and hard volume limits of one SA (RFC 4301 §4.4.2.1). One thread: the SA's owner.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace simplon::dp {

inline constexpr std::uint64_t kNever = ~std::uint64_t{0};

// Soft and hard volume limits. The fast path compares with the next one to come; the cold path (reached)
// sorts out which it was, says so once, and sets the next.
struct SaLimits {
  std::uint64_t soft_packets = kNever, hard_packets = kNever, soft_bytes = kNever, hard_bytes = kNever;
  bool soft_told = false, hard_told = false, expired = false;

  enum class News : std::uint8_t { kNothing, kSoft, kHard };
  // `packets` and `bytes` passed so far. kHard: nothing more may pass.
  News reached(std::uint64_t packets, std::uint64_t bytes) {
    if (expired || packets >= hard_packets || bytes >= hard_bytes) {
      expired = true;
      return std::exchange(hard_told, true) ? News::kNothing : News::kHard;
    }
    if (!soft_told && (packets >= soft_packets || bytes >= soft_bytes)) return soft_told = true, News::kSoft;
    return News::kNothing;
  }
  // The news could not be passed on: it is said again with the next packet.
  void untold(News news) {
    if (news == News::kSoft) soft_told = false;
    if (news == News::kHard) hard_told = false;
  }
  std::uint64_t next_packets() const {
    return soft_told ? hard_packets : std::min(soft_packets, hard_packets);
  }
  std::uint64_t next_bytes() const { return soft_told ? hard_bytes : std::min(soft_bytes, hard_bytes); }
};

}  // namespace simplon::dp

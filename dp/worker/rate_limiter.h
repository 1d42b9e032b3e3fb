// SPDX-License-Identifier: Apache-2.0
// Limits on how often a worker does something. One thread: its worker.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace simplon::dp {

// At most one event in an interval for each key. Fixed size: a key has one place in a table, and two keys
// that share a place wait for each other.
class RateLimiter {
 public:
  // `interval` in cycles of the TSC, like every `now`.
  explicit RateLimiter(std::uint64_t interval) : interval_(interval) {}

  // True: the event may happen, and the interval begins. `now` is never 0.
  bool allow(std::uint64_t key, std::uint64_t now) {
    std::uint64_t& last = last_[key % last_.size()];
    if (last != 0 && now - last < interval_) return false;
    last = now;
    return true;
  }

 private:
  std::uint64_t interval_;
  std::array<std::uint64_t, 256> last_{};  // 0: never
};

// So many events in a second, and a tenth of that at once (RFC 4443 §2.4 f).
class TokenBucket {
 public:
  // `second` in cycles of the TSC, like every `now`; `rate` 0: no event at all.
  TokenBucket(std::uint64_t second, unsigned rate)
      : each_(rate == 0 ? 0 : second / rate), full_(each_ * std::max(rate / 10, 1u)) {}

  // True: the event may happen.
  bool take(std::uint64_t now) {
    if (each_ == 0) return false;
    saved_ = std::min(saved_ + (now - last_), full_);
    last_ = now;
    if (saved_ < each_) return false;
    saved_ -= each_;
    return true;
  }

 private:
  std::uint64_t each_, full_;  // in cycles
  std::uint64_t saved_ = 0, last_ = 0;
};

}  // namespace simplon::dp

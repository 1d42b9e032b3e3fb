// SPDX-License-Identifier: Apache-2.0
// At most one event in an interval for each key. Fixed size: a key has one place in a table, and two keys
// that share a place wait for each other. One thread: its worker.
#pragma once

#include <array>
#include <cstdint>

namespace simplon::dp {

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

}  // namespace simplon::dp

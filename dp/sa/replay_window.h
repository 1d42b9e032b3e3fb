// SPDX-License-Identifier: Apache-2.0
// The anti-replay window of one inbound SA (RFC 4303 §3.4.3), as a ring of 64-bit words (RFC 6479): moving it
// clears the words that it moves over, never shifts the others.
//
// Sequence numbers have 64 bits here; only 32 of them travel, and without ESN the high half is zero. check()
// is called before the ICV is verified, mark() only when it was good, so a forged packet never moves the
// window. One thread: the SA's owner.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>

#include "dp/base/counter.h"

namespace simplon::dp {

class ReplayWindow {
 public:
  enum class Verdict : std::uint8_t { kFresh, kReplayed, kTooOld };

  // `packets`: the size of the window; 0 switches the check off.
  explicit ReplayWindow(std::uint32_t packets)
      : size_(packets), mask_(packets == 0 ? 0 : std::bit_ceil((size_ + 63) / 64 + 1) - 1) {
    if (packets != 0) words_ = std::make_unique<std::uint64_t[]>(mask_ + 1);
  }

  Verdict check(std::uint64_t seq) const {
    if (size_ == 0) return Verdict::kFresh;
    if (seq == 0) return Verdict::kReplayed;  // never sent (RFC 4303 §2.2: the first is 1)
    if (seq > top_) return Verdict::kFresh;
    if (top_ - seq >= size_) return Verdict::kTooOld;
    return words_[word(seq)] >> (seq % 64) & 1 ? Verdict::kReplayed : Verdict::kFresh;
  }

  // Precondition: check(seq) was kFresh and the ICV good.
  void mark(std::uint64_t seq) {
    if (size_ == 0) {
      top_ = std::max(top_.get(), seq);
      return;
    }
    if (seq > top_) {
      const std::uint64_t steps = std::min<std::uint64_t>(seq / 64 - top_ / 64, mask_ + 1);
      for (std::uint64_t i = 1; i <= steps; ++i) words_[(top_ / 64 + i) & mask_] = 0;
      top_ = seq;
    }
    words_[word(seq)] |= std::uint64_t{1} << (seq % 64);
  }

  // With ESN: the whole number of which the low half arrived (RFC 4303 appendix A2.2). 0, which is never
  // fresh: it would lie before the first.
  std::uint64_t extend(std::uint32_t low) const {
    const auto top_low = static_cast<std::uint32_t>(top_);
    const auto top_high = static_cast<std::uint32_t>(top_ >> 32), bottom = top_low - (size_ - 1);
    // Whether the window lies within one stretch of low halves, or begins in the one before.
    const bool one_stretch = top_low >= size_ - 1;
    const std::uint32_t high =
        top_high + (one_stretch ? (low < bottom ? 1u : 0u) : (low >= bottom ? ~0u : 0u));
    return !one_stretch && low >= bottom && top_high == 0 ? 0 : std::uint64_t{high} << 32 | low;
  }

  std::uint64_t top() const { return top_; }
  std::uint32_t size() const { return size_; }
  // As if all up to `top` had been received: whoever had the window before may have taken any of it.
  void restart(std::uint64_t top) {
    top_ = top;
    if (size_ == 0) return;
    std::fill_n(words_.get(), mask_ + 1, ~std::uint64_t{0});
    words_[word(top)] >>= 63 - top % 64;  // what is above it in its word has not come yet
  }
  // As if nothing had been received: for the benchmark, whose source repeats its packets.
  void forget() {
    top_ = 0;
    if (size_ != 0) std::fill_n(words_.get(), mask_ + 1, 0);
  }

 private:
  std::size_t word(std::uint64_t seq) const { return (seq / 64) & mask_; }

  Counter top_;
  std::uint32_t size_;
  std::uint32_t mask_;
  std::unique_ptr<std::uint64_t[]> words_;
};

}  // namespace simplon::dp

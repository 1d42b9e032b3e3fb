// SPDX-License-Identifier: Apache-2.0
// Where a turn's cycles go, for the benchmark. Without a clock every mark costs one predicted branch a burst.
#pragma once

#include <rte_cycles.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace simplon::dp {

enum class Stage : std::uint8_t {
  kReceive,
  kParse,
  kSpd,
  kSa,
  kEsp,
  kCrypto,
  kPost,
  kRoute,
  kTransmit,
  kCount
};
inline constexpr std::array<std::string_view, static_cast<std::size_t>(Stage::kCount)> kStageNames{
    "receive", "parse", "SPD", "SA", "ESP", "crypto", "post", "route", "TX"};

class StageClock {
 public:
  void begin() { last_ = rte_rdtsc(); }
  void mark(Stage stage) {
    const std::uint64_t now = rte_rdtsc();
    cycles_[static_cast<std::size_t>(stage)] += now - last_;
    last_ = now;
  }
  std::uint64_t cycles(Stage stage) const { return cycles_[static_cast<std::size_t>(stage)]; }

 private:
  std::uint64_t last_ = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(Stage::kCount)> cycles_{};
};

inline void mark(StageClock* clock, Stage stage) {
  if (clock != nullptr) clock->mark(stage);
}

}  // namespace simplon::dp

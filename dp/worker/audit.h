// SPDX-License-Identifier: Apache-2.0
// What RFC 4301 §5.2, RFC 4302 §3 and RFC 4303 §3 call auditable events: packets of an SA, or for an SA that
// there is none of, which are dropped. Of each SA and reason one a second is told to the control thread, and
// twenty of each reason, so that a flood of one kind hides no other; every packet is counted as a drop
// anyway. One thread: its worker.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dp/worker/burst.h"
#include "dp/worker/control_channel.h"
#include "dp/worker/rate_limiter.h"

namespace simplon::dp {

// kSequenceExhausted is the sender's (RFC 4303 §3.3.3), all others are the receiver's.
inline constexpr std::array kAudited{Drop::kUnknownSpi,       Drop::kReplayed,         Drop::kTooOld,
                                     Drop::kBadIcv,           Drop::kSelectorMismatch, Drop::kNotInBundle,
                                     Drop::kSequenceExhausted};

class Audit {
 public:
  // `second` in cycles of the TSC. `control` outlives this.
  Audit(std::uint64_t second, ControlChannel& control);

  enum class Told : std::uint8_t { kOuter, kInner };
  // `packet` is described by its headers: the outer packet; for kSelectorMismatch the inner one, and for
  // kSequenceExhausted the one that would have been protected, unless `told` says otherwise. `sa`: none when
  // there is none of this SPI. Of a reason that is not in kAudited nothing is told.
  void record(Drop reason, const PacketInfo& packet, Be32 spi, std::uint32_t sequence, SaId sa, Told told);
  void record(Drop reason, const PacketInfo& packet, Be32 spi, std::uint32_t sequence, SaId sa) {
    const bool inner = reason == Drop::kSelectorMismatch || reason == Drop::kSequenceExhausted;
    record(reason, packet, spi, sequence, sa, inner ? Told::kInner : Told::kOuter);
  }

 private:
  static constexpr unsigned kMostInASecond = 20;
  struct Limit {
    RateLimiter each_sa;
    TokenBucket all;
  };
  bool allow(Drop reason, Be32 spi);

  ControlChannel& control_;
  std::array<std::optional<Limit>, kAudited.size()> limits_;
};

}  // namespace simplon::dp

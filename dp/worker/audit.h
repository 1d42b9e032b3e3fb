// SPDX-License-Identifier: Apache-2.0
// What RFC 4301 §5.2 and RFC 4303 §3.4 call auditable events: packets of an SA, or for an SA that there is
// none of, which are dropped. Of each SA and reason one a second is told to the control thread, and twenty of
// all; every packet is counted as a drop anyway. One thread: its worker.
#pragma once

#include <cstdint>

#include "dp/worker/burst.h"
#include "dp/worker/control_channel.h"
#include "dp/worker/rate_limiter.h"

namespace simplon::dp {

class Audit {
 public:
  // `second` in cycles of the TSC. `control` outlives this.
  Audit(std::uint64_t second, ControlChannel& control)
      : control_(control), one_a_second_(second), all_(second, kMostInASecond) {}

  // `packet` is described by its headers: the outer packet, or for kSelectorMismatch the inner one. `sa`:
  // null when there is none of this SPI.
  void record(Drop reason, const PacketInfo& packet, Be32 spi, std::uint32_t sequence, const InboundSa* sa);

 private:
  static constexpr unsigned kMostInASecond = 20;
  ControlChannel& control_;
  RateLimiter one_a_second_;
  TokenBucket all_;
};

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/aggfrag.h"

#include <algorithm>
#include <cstring>

namespace simplon::dp {
namespace {

// RTT in 22 bits, Echo Delay and Transmit Delay in 21 each, from the highest on.
constexpr unsigned kRttShift = 42, kEchoShift = 21;

CongestionInfo read_congestion(const std::uint8_t* p) {
  const std::uint64_t times = load_be64(p + 8);
  return {.congested = (p[1] & kAggfragCongested) != 0,
          .loss_interval = load_be32(p + 4),
          .rtt = static_cast<std::uint32_t>(times >> kRttShift),
          .echo_delay = static_cast<std::uint32_t>(times >> kEchoShift) & kMostAggfragDelay,
          .transmit_delay = static_cast<std::uint32_t>(times) & kMostAggfragDelay,
          .value = load_be32(p + 16),
          .echo = load_be32(p + 20)};
}

}  // namespace

std::optional<AggfragHeader> read_aggfrag_header(Bytes payload) {
  if (payload.size() < kAggfragBytes) return std::nullopt;
  const std::uint8_t* p = payload.data();
  AggfragHeader out{.offset = load_be16(p + 2), .congestion = {}};
  if (p[0] == kAggfragPlainType) return out;
  if (p[0] != kAggfragCongestionType || payload.size() < kAggfragCongestionBytes) return std::nullopt;
  out.bytes = kAggfragCongestionBytes;
  out.congestion = read_congestion(p);
  return out;
}

void write_aggfrag_header(const AggfragHeader& header, std::uint8_t* to) {
  std::memset(to, 0, header.bytes);
  store_be16(to + 2, header.offset);
  if (!header.congestion) return;
  const CongestionInfo& c = *header.congestion;
  to[0] = kAggfragCongestionType;
  if (c.congested) to[1] = kAggfragCongested;
  store_be32(to + 4, c.loss_interval);
  store_be64(to + 8, std::uint64_t{std::min(c.rtt, kMostRtt)} << kRttShift |
                         std::uint64_t{std::min(c.echo_delay, kMostAggfragDelay)} << kEchoShift |
                         std::min(c.transmit_delay, kMostAggfragDelay));
  store_be32(to + 16, c.value);
  store_be32(to + 20, c.echo);
}

}  // namespace simplon::dp

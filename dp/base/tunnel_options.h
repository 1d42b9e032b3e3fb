// SPDX-License-Identifier: Apache-2.0
// What is chosen of an SA's packets in tunnel mode: fields of the outer header (RFC 4301 §5.1.2.1), and what
// hides how large the packets inside are and when they come (RFC 4303 §2.6, §2.7).
#pragma once

#include <array>
#include <cstdint>

namespace simplon {

// The outer DSCP by the inner one (RFC 2983).
inline constexpr std::uint8_t kDscps = 64;
using DscpMap = std::array<std::uint8_t, kDscps>;

constexpr DscpMap copied_dscp() {
  DscpMap out{};
  for (std::uint8_t i = 0; i < kDscps; ++i) out[i] = i;
  return out;
}
constexpr DscpMap fixed_dscp(std::uint8_t dscp) {
  DscpMap out{};
  out.fill(dscp);
  return out;
}

// RFC 6040 §4.1: the outer ECN field is a copy of the inner one, or zero, for a tunnel whose other end joins
// the two in no way. What comes in is joined in one way, whichever the sender has chosen (§4.2).
enum class EcnMode : std::uint8_t { kNormal, kCompatibility };
// Of the outer IPv6 header (RFC 6437, RFC 6438): the inner IPv6 packet's, or a hash of the inner flow.
enum class FlowLabel : std::uint8_t { kZero, kCopy, kFlow };

inline constexpr std::uint8_t kDefaultTtl = 64;
// How long packets are made by padding behind them, in octets of the inner packet: a number, or what fits
// into the path.
inline constexpr std::uint16_t kTfcOff = 0, kTfcMtu = 0xffff;

struct TunnelOptions {
  DscpMap dscp = copied_dscp();
  EcnMode ecn = EcnMode::kNormal;
  std::uint8_t ttl = kDefaultTtl;  // or hop limit; not 0
  FlowLabel flow_label = FlowLabel::kZero;
  std::uint16_t tfc = kTfcOff;  // of ESP alone
  std::uint16_t dummies = 0;    // dummy packets in a second; of ESP alone
  friend bool operator==(const TunnelOptions&, const TunnelOptions&) = default;
};

}  // namespace simplon

// SPDX-License-Identifier: Apache-2.0
// Peers in transport mode behind one NAT (RFC 3948 §5.2).
#pragma once

#include <array>
#include <cstdio>
#include <string>

#include "dp/base/sa_spec.h"

namespace simplon {

// Outbound, in transport mode and UDP: its peer's packets have the address of a NAT.
inline bool is_behind_nat(const SaSpec& sa) {
  return sa.direction == Direction::kOut && sa.mode == SaMode::kTransport && sa.udp;
}

// Whether no such SA to this port of the peer's NAT can be beside `there`, an outbound SA of the same entry:
// what is for one peer would be sent to the other.
inline bool excludes_behind_nat(const SaSpec& there, Port port) {
  return !there.udp || there.udp->destination != port;
}

// Why it cannot.
inline std::string taken_behind_nat(const SaSpec& there) {
  std::array<char, 11> spi{};
  std::snprintf(spi.data(), spi.size(), "0x%08x", static_cast<unsigned>(there.spi));
  const std::string port =
      there.udp ? " port " + std::to_string(static_cast<unsigned>(there.udp->destination)) : "";
  return "the peer at " + there.destination.text() + port +
         " has this traffic already, by an outbound SA with SPI " + spi.data() +
         ": behind one NAT transport mode cannot tell two peers apart (RFC 3948 section 5.2); end that SA, "
         "or use tunnel mode, or selectors with ports of their own";
}

}  // namespace simplon

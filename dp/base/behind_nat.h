// SPDX-License-Identifier: Apache-2.0
// Peers in transport mode behind one NAT (RFC 3948 §5.2).
#pragma once

#include <array>
#include <cstdio>
#include <string>

#include "dp/base/sa_spec.h"

namespace simplon {

// Why no SA in transport mode to another port of the same NAT can be beside `there`.
inline std::string taken_behind_nat(const SaSpec& there) {
  std::array<char, 11> spi{};
  std::snprintf(spi.data(), spi.size(), "0x%08x", static_cast<unsigned>(there.spi));
  return "the peer at " + there.destination.text() + " port " +
         std::to_string(static_cast<unsigned>(there.udp->destination)) +
         " has this traffic already, by an outbound SA with SPI " + spi.data() +
         ": behind one NAT transport mode cannot tell two peers apart (RFC 3948 section 5.2); end that SA, "
         "or "
         "use tunnel mode, or selectors with ports of their own";
}

}  // namespace simplon

// SPDX-License-Identifier: Apache-2.0
// The maximum segment size that a SYN offers (RFC 9293 §3.7.1), lowered so that segments fit into a path that
// the two ends do not see.
#pragma once

#include <cstdint>

#include "dp/packet/packet.h"

namespace simplon::dp {

inline constexpr std::uint16_t kTcpHeaders4 = kIpv4Bytes + kTcpBytes, kTcpHeaders6 = kIpv6Bytes + kTcpBytes;

// `headers.syn` is set and `ip` is its packet. An option that offers more than `most` then offers `most`, and
// the checksum follows. Options that are not whole are left alone, and so is a SYN without the option, which
// means the default (RFC 9293: 536, RFC 8200: 1220).
void clamp_mss(std::uint8_t* ip, const Headers& headers, std::uint16_t most);

}  // namespace simplon::dp

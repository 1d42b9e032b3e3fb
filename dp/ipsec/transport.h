// SPDX-License-Identifier: Apache-2.0
// The IP header of a packet in transport mode, which stays, with another length and another protocol behind
// it.
#pragma once

#include <cstring>

#include "dp/packet/packet.h"

namespace simplon::dp {

// Where in the packet `ip` stands what follows its headers, which are `bytes` long with IPv6's extension
// headers: the protocol of IPv4, the next header of IPv6's last header.
inline unsigned next_header_at(const std::uint8_t* ip, bool v4, unsigned bytes) {
  if (v4) return 9;
  unsigned at = 6;
  for (unsigned header = kIpv6Bytes; header < bytes;) {
    const unsigned length = ip[at] == kIpv6Fragment ? 8u : (ip[header + 1] + 1u) * 8u;
    at = header;
    header += length;
  }
  return at;
}

struct NewHeader {
  unsigned total;         // octets of the whole packet
  std::uint8_t protocol;  // behind the headers
  bool hop;               // its TTL is decremented
};

// Moves the headers at `from`, `bytes` long, to `to`, which may overlap. The words of IPv4 are read before:
// to read what was just written would stall the processor.
inline void move_header(const std::uint8_t* from, std::uint8_t* to, bool v4, unsigned bytes,
                        const NewHeader& now) {
  const unsigned at = next_header_at(from, v4, bytes);
  if (v4) {
    const std::uint16_t length = load_be16(from + 2), ttl = load_be16(from + 8), sum = load_be16(from + 10);
    const auto next = static_cast<std::uint16_t>(((ttl - (now.hop ? 0x100u : 0u)) & 0xff00u) | now.protocol);
    std::memmove(to, from, bytes);
    // RFC 1624.
    std::uint32_t changed = static_cast<std::uint16_t>(~sum) + 0u + static_cast<std::uint16_t>(~length) +
                            now.total + static_cast<std::uint16_t>(~ttl) + next;
    changed = (changed & 0xffff) + (changed >> 16);
    store_be16(to + 2, static_cast<std::uint16_t>(now.total));
    store_be16(to + 8, next);
    store_be16(to + 10, static_cast<std::uint16_t>(~(changed + (changed >> 16))));
    return;
  }
  std::memmove(to, from, bytes);
  store_be16(to + 4, static_cast<std::uint16_t>(now.total - kIpv6Bytes));
  to[at] = now.protocol;
  if (now.hop) --to[7];
}

}  // namespace simplon::dp

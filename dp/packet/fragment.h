// SPDX-License-Identifier: Apache-2.0
// An IP packet into fragments (RFC 791 §3.2, RFC 8200 §4.5). One worker; new buffers come from the packet's
// own pool.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>

#include "dp/packet/packet.h"

namespace simplon::dp {

// The first one is the packet's own buffer.
struct Fragments {
  static constexpr unsigned kMost = 32;
  std::array<rte_mbuf*, kMost> pieces;
  unsigned count = 0;
};

// Whether a router may fragment it: IPv4 without DF.
inline bool may_be_fragmented(const std::uint8_t* ip, const Headers& headers) {
  return headers.v4 && (load_be16(ip + 6) & kDontFragment) == 0;
}

// The IPv4 packet at `headers`, which is larger than `mtu`, whatever its DF says. Every piece begins with its
// IP header and is at most `mtu` long. False: there are no buffers, or there would be too many pieces; the
// packet is unchanged.
bool fragment_ipv4(rte_mbuf* m, const Headers& headers, std::uint16_t mtu, Fragments& out);
// The same for an IPv6 packet of ours that has no extension headers (a router must not do it): `id` is its
// identification, which no other packet between the two ends may have for as long as a fragment lives.
bool fragment_ipv6(rte_mbuf* m, const Headers& headers, std::uint16_t mtu, std::uint32_t id, Fragments& out);

}  // namespace simplon::dp

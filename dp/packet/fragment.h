// SPDX-License-Identifier: Apache-2.0
// An IP packet into fragments (RFC 791 §3.2, RFC 8200 §4.5). One worker.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>

#include "dp/packet/packet.h"

namespace simplon::dp {

// Each in a buffer of its own, which begins with the IP header.
struct Fragments {
  static constexpr unsigned kMost = 64;
  std::array<rte_mbuf*, kMost> pieces;
  unsigned count = 0;
};

// Whether a router may fragment it: IPv4 without DF.
inline bool may_be_fragmented(const std::uint8_t* ip, const Headers& headers) {
  return headers.v4 && (load_be16(ip + 6) & kDontFragment) == 0;
}

// Whether the IPv6 packet has a fragment header, so an identification.
bool has_fragment_header(const std::uint8_t* ip, const Headers& headers);

// Takes the fragment header of an IPv6 packet that was put together out of it (RFC 8200 §4.5), which must
// have one. `headers` are then those of the packet as it is.
Drop strip_fragment_header(rte_mbuf* m, Headers& headers);

// The packet at `headers`, which is larger than `mtu`, in pieces of at most `mtu`: IPv4 whatever its DF says,
// IPv6 that has a fragment header already. Buffers come from `pool`, in which one piece must fit into one
// buffer. True: the packet is freed. False: there are no buffers, or there would be too many pieces; nothing
// has happened.
bool fragment(rte_mbuf* m, const Headers& headers, std::uint16_t mtu, rte_mempool* pool, Fragments& out);
// The same for an IPv6 packet of ours that has no fragment header (a router must not do it): `id` is its
// identification, which no other packet between the two ends may have for as long as a fragment lives.
bool fragment_ipv6(rte_mbuf* m, const Headers& headers, std::uint16_t mtu, std::uint32_t id,
                   rte_mempool* pool, Fragments& out);

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// What stands before the payload of an outbound SA's packets: in tunnel mode an outer IP header (RFC 4301
// §5.1.2), then of each mode UDP's if there is one, and the protocol's own.
//
// outer_header() and set_outer_header() are any thread's; the rest is the SA's owner's.
#pragma once

#include <algorithm>

#include "dp/packet/packet.h"
#include "dp/sa/outbound.h"

namespace simplon::dp {

OuterHeader outer_header(const SaSpec& spec);
// OutboundSa::header_bytes of an SA's packets.
unsigned header_bytes(const SaSpec& spec);
// The SA's packets bear this header from now on. It is of the same family and mode as the one before; UDP may
// come or go. Packets of the old one may still be before encapsulate_finish().
void set_outer_header(const OuterHeader& header, OutboundSa& sa);
// Fills the outer header template of an SA, its kind, and the sizes that go with them.
void make_outer_header(const SaSpec& spec, OutboundSa& sa);

// The largest packet whose protected packet is at most `outer` long. `ip_bytes`: of its own header, which in
// transport mode stays in front. `header`: OutboundSa::header_bytes, which the owner alone may read there.
std::uint16_t inner_mtu(const OutboundSa& sa, std::uint16_t outer, unsigned ip_bytes, unsigned header);
inline std::uint16_t inner_mtu(const OutboundSa& sa, std::uint16_t outer) {
  return inner_mtu(sa, outer, sa.ip_bytes, sa.header_bytes);
}
// The largest payload of AGGFRAG, with its header, in a packet of `packet` octets, or as the path takes them.
inline unsigned payload_room(const OutboundSa& sa, std::uint16_t packet, unsigned header) {
  return inner_mtu(sa, packet == 0 ? sa.outer_mtu.get() : std::min(packet, sa.outer_mtu.get()), sa.ip_bytes,
                   header);
}
inline unsigned payload_room(const OutboundSa& sa, std::uint16_t packet) {
  return payload_room(sa, packet, sa.header_bytes);
}
// The same for the packet at `headers`, and the path as it is.
inline std::uint16_t largest(const OutboundSa& sa, const Headers& headers) {
  const unsigned ip_bytes = headers.payload - headers.ip + 0u;
  if (mode_of(sa.kind) == SaMode::kTunnel || ip_bytes == sa.ip_bytes) return sa.inner_mtu;
  return inner_mtu(sa, sa.outer_mtu, ip_bytes, sa.header_bytes);
}

// What few SAs need: UDP's length, and DF that is not always set (RFC 4301 §8.1). A packet that may be
// fragmented needs an identification of its own (RFC 6864 §4.3). The sum of what this adds to an IPv4 header.
inline std::uint32_t complete_more_fields(std::uint8_t* outer, const OutboundSa& sa,
                                          const std::uint8_t* inner, bool inner_v4, std::uint64_t seq,
                                          unsigned total) {
  // The UDP checksum stays zero here; over IPv6 encapsulate_finish() sets it.
  if (sa.udp) store_be16(outer + sa.ip_bytes + 4, static_cast<std::uint16_t>(total - sa.ip_bytes));
  if (!sa.v4 || (sa.options.df == DfBit::kSet && !is_ah(sa.kind))) return 0;
  const auto id = static_cast<std::uint16_t>(identification(sa, seq));
  store_be16(outer + 4, id);
  if (sa.options.df == DfBit::kSet) return id;  // it is in the template
  const bool df = sa.options.df == DfBit::kCopy && (!inner_v4 || (load_be16(inner + 6) & kDontFragment) != 0);
  const std::uint16_t word = df ? kDontFragment : 0;
  store_be16(outer + 6, word);
  return id + 0u + word;
}

// Length, checksum, and what is the packet's own in a tunnel's outer header, which is a copy of the template.
// DSCP is copied, and ECN (RFC 6040 §4.1, normal mode).
inline void complete_outer_header(std::uint8_t* outer, const OutboundSa& sa, const std::uint8_t* inner,
                                  std::uint8_t tclass, bool inner_v4, std::uint64_t seq, unsigned total) {
  std::uint32_t sum = sa.more_fields ? complete_more_fields(outer, sa, inner, inner_v4, seq, total) : 0;
  if (sa.v4) {
    outer[1] = tclass;
    store_be16(outer + 2, static_cast<std::uint16_t>(total));
    sum += sa.outer_sum + tclass + total;
    sum = (sum & 0xffff) + (sum >> 16);
    store_be16(outer + 10, static_cast<std::uint16_t>(~(sum + (sum >> 16))));
  } else {
    outer[0] = static_cast<std::uint8_t>(0x60 | tclass >> 4);
    outer[1] = static_cast<std::uint8_t>(tclass << 4);
    store_be16(outer + 4, static_cast<std::uint16_t>(total - kIpv6Bytes));
  }
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/punt.h"

#include <cstring>

#include "dp/base/protocol.h"

namespace simplon::dp {
namespace {

// Source address of the frames that the data path makes for the kernel; locally administered.
constexpr Mac kOurMac{0x02, 0x53, 0x69, 0x6d, 0x70, 0x6c};

// IKE (RFC 7296 §2, RFC 3948 §2.2; of clear packets ESP in UDP is none) and neighbour discovery (RFC 4861
// §4).
PuntClass punt_class(const Headers& h) {
  const bool ike = h.protocol == kUdp && (Port{h.dport} == kIkePort || Port{h.dport} == kNatTraversalPort);
  const unsigned type = h.dport >> 8;
  const bool discovery =
      h.protocol == kIcmpv6 && type >= kFirstNeighbourDiscovery && type <= kLastNeighbourDiscovery;
  return ike || discovery ? PuntClass::kFirst : PuntClass::kRest;
}

// A tunnel interface has no link layer.
void punt_bare(const PacketInfo& packet, PortIndex tunnel, PuntClass c, const PuntOutputs& out) {
  const Headers& h = packet.headers;
  packet.m->data_off = static_cast<std::uint16_t>(packet.m->data_off + h.ip);
  packet.m->data_len = h.length;
  packet.m->pkt_len = h.length;
  out.control.punt(packet.m, tunnel, c);
}

}  // namespace

// The kernel gets a whole frame: a packet that came in a frame keeps it, one out of an SA is given one.
void punt_ip(const PacketInfo& packet, PortIndex port, PuntClass c, const Tables& tables,
             const PuntOutputs& out) {
  if (is_tunnel(port)) return punt_bare(packet, port, c, out);
  if (packet.headers.ip >= kEthernetBytes) return out.control.punt(packet.m, port, c);
  auto* frame = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_prepend(packet.m, kEthernetBytes));
  if (frame == nullptr) return drop(packet.m, Drop::kNoBuffer, out.counters);
  const Mac mac = tables.routes->mac(port);
  std::memcpy(frame, mac.data(), 6);
  std::memcpy(frame + 6, kOurMac.data(), 6);
  store_be16(frame + 12, packet.headers.v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  out.control.punt(packet.m, port, c);
}

void punt_ip(const PacketInfo& packet, PortIndex port, const Tables& tables, const PuntOutputs& out) {
  punt_ip(packet, port, punt_class(packet.headers), tables, out);
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/path_mtu_notices.h"

#include <rte_cycles.h>

#include <algorithm>

#include "dp/packet/icmp.h"

namespace simplon::dp {

bool PathMtuNotices::take_too_big(const PacketInfo& packet, const Tables& tables) {
  const std::uint8_t *ip = ip_of(packet), *icmp = bytes_of(packet.m) + packet.headers.payload;
  const auto quoted = quoted_packet(ip, packet.headers);
  if (!quoted || quoted->headers.fragment) return false;
  const Headers& h = quoted->headers;
  const bool ah = h.protocol == kAh;
  const unsigned esp = h.payload + (h.protocol == kUdp ? kUdpBytes + 0u : ah ? 4u : 0u);  // SPI and number
  if ((h.protocol != kEsp && h.protocol != kUdp && !ah) || esp + kEspBytes > h.length) return false;
  const IpAddress source = source_of(quoted->ip, h.v4);
  const std::uint32_t spi = load_be32(quoted->ip + esp);
  if (spi < static_cast<std::uint32_t>(kFirstSpi) || !tables.routes->local(source) ||
      source != destination_of(ip, packet.headers.v4))
    return false;
  if (told_.allow(spi, rte_rdtsc()))
    control_.send(
        {.kind = WorkerEvent::Kind::kPathMtu,
         .spi = spi,
         .sequence = load_be32(quoted->ip + esp + 4),
         .mtu = static_cast<std::uint16_t>(std::min(load_be32(icmp + 4) & (h.v4 ? 0xffffu : ~0u), 0xffffu)),
         .source = source,
         .destination = destination_of(quoted->ip, h.v4)});
  return true;
}

}  // namespace simplon::dp

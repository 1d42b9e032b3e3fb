// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/mss_clamp.h"

#include <algorithm>

#include "dp/packet/tcp_mss.h"

namespace simplon::dp {
namespace {

std::uint16_t mss_of(const OutboundSlot& slot, bool v4) {
  const OutboundSa* sa = slot.sa.read();
  if (sa == nullptr) return kMssOff;
  if (sa->options.mss != kMssAuto) return sa->options.mss;
  const std::uint16_t headers = v4 ? kTcpHeaders4 : kTcpHeaders6, mtu = sa->inner_mtu;
  return mtu > headers ? static_cast<std::uint16_t>(mtu - headers) : kMssOff;
}

}  // namespace

void clamp_mss_of(const PacketInfo& packet, const OutboundSlot* slot, const Tables& tables) {
  const bool v4 = packet.headers.v4;
  std::uint16_t most = slot == nullptr ? kMssOff : mss_of(*slot, v4);
  if (packet.origin == Origin::kDecrypted) {
    const Flow flow = flow_of(packet);
    const RouteTo to = tables.routes->find(flow.destination, path_hash(flow));
    const Flow answers{.source = flow.destination,
                       .destination = flow.source,
                       .sport = flow.dport,
                       .dport = flow.sport,
                       .protocol = flow.protocol,
                       .port = to ? tables.routes->next_hop(to.index).port : PortIndex{}};
    if (const OutboundSlot* back = protecting_slot(tables, answers)) most = std::min(most, mss_of(*back, v4));
  }
  clamp_mss(ip_of(packet), packet.headers, most);
}

}  // namespace simplon::dp

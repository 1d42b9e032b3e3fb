// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/tunnel_table.h"

#include <algorithm>

namespace simplon::dp {
namespace {

void count(const OutboundSa& sa, TunnelState& out) {
  out.tx_packets += sa.next_seq - 1 - sa.skipped;
  out.tx_bytes += sa.bytes;
}
void count(const InboundSa& sa, TunnelState& out) {
  out.rx_packets += sa.packets;
  out.rx_bytes += sa.bytes;
}

}  // namespace

std::uint16_t TunnelTable::most(InterfaceId id) const {
  const auto found = mtus_.find(id);
  return found == mtus_.end() || found->second == 0 ? 0xffff : found->second;
}

void TunnelTable::add(InterfaceId id, const OutboundSa& sa) {
  tunnels_[id].in_use.push_back(&sa);
  tunnels_[id].out.push_back(&sa);
}

void TunnelTable::add(InterfaceId id, const InboundSa& sa) { tunnels_[id].in.push_back(&sa); }

void TunnelTable::leave(InterfaceId id, const OutboundSa& sa) { std::erase(tunnels_[id].in_use, &sa); }

void TunnelTable::forget(InterfaceId id, const OutboundSa& sa) {
  Tunnel& tunnel = tunnels_[id];
  if (std::erase(tunnel.out, &sa) != 0) count(sa, tunnel.past);
}

void TunnelTable::forget(InterfaceId id, const InboundSa& sa) {
  Tunnel& tunnel = tunnels_[id];
  if (std::erase(tunnel.in, &sa) != 0) count(sa, tunnel.past);
}

TunnelState TunnelTable::state(InterfaceId id) const {
  const auto found = tunnels_.find(id);
  if (found == tunnels_.end()) return {};
  const Tunnel& tunnel = found->second;
  TunnelState out = tunnel.past;
  out.up = !tunnel.in_use.empty();
  for (const OutboundSa* sa : tunnel.in_use)
    out.mtu = out.mtu == 0 ? sa->inner_mtu.get() : std::min(out.mtu, sa->inner_mtu.get());
  for (const OutboundSa* sa : tunnel.out) count(*sa, out);
  for (const InboundSa* sa : tunnel.in) count(*sa, out);
  return out;
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/device/tunnel_ports.h"

#include <algorithm>
#include <map>
#include <utility>

namespace simplon::dp {
namespace {

constexpr std::chrono::milliseconds kLookEvery{250};

// Packets and bytes are those of its SAs: inside the tunnel.
PortStats stats_of(const TunnelSetup& tunnel, const TunnelState& state) {
  PortStats out{.name = tunnel.name, .device = "connection " + tunnel.connection, .driver = "tunnel"};
  out.side = Side::kProtected;
  out.link_up = state.up;
  out.rx_packets = state.rx_packets;
  out.rx_bytes = state.rx_bytes;
  out.tx_packets = state.tx_packets;
  out.tx_bytes = state.tx_bytes;
  return out;
}

}  // namespace

void add_counters(const PuntPath::Counters& taps, PortStats& out) {
  out.punted = taps.punted;
  out.punt_lost = taps.punt_lost;
  out.injected = taps.injected;
  out.inject_lost = taps.inject_lost;
}

Result<void> TunnelPorts::set(const std::vector<TunnelSetup>& tunnels) {
  std::map<InterfaceId, std::uint16_t> mtus;
  for (const TunnelSetup& tunnel : tunnels) mtus[tunnel.id] = tunnel.mtu;
  for (const TunnelSetup& tunnel : tunnels_)
    if (!mtus.contains(tunnel.id)) punt_path_.remove_tunnel(port_of(tunnel.id));
  Result<void> first;
  std::vector<TunnelSetup> there;  // one that could not be made is tried again the next time
  for (const TunnelSetup& tunnel : tunnels) {
    if (std::ranges::find(tunnels_, tunnel.id, &TunnelSetup::id) != tunnels_.end()) {
      there.push_back(tunnel);
      continue;
    }
    const auto made = punt_path_.add_tunnel(port_of(tunnel.id), tunnel.name,
                                            injects_[static_cast<std::size_t>(tunnel.id) % injects_.size()]);
    if (made) there.push_back(tunnel);
    if (!made && first) first = made;
  }
  for (const TunnelSetup& tunnel : there)
    punt_path_.set_tunnel(port_of(tunnel.id), punt_path_.has_link(port_of(tunnel.id)), tunnel.mtu);
  tunnels_ = std::move(there);
  registry_.set_tunnel_mtus(std::move(mtus));
  return first;
}

// The kernel sees by the link of a tunnel interface whether it has an SA, and by its MTU what that takes.
void TunnelPorts::look(Now now, std::vector<Event>& out) {
  if (now - looked_ < kLookEvery) return;
  looked_ = now;
  for (const TunnelSetup& tunnel : tunnels_) {
    const PortIndex port = port_of(tunnel.id);
    const TunnelState state = registry_.tunnel(tunnel.id);
    const bool changed = punt_path_.has_link(port) != state.up;
    punt_path_.set_tunnel(port, state.up, state.mtu);
    if (changed) out.emplace_back(PortChanged{port, state.up ? "has a link" : "has no link"});
  }
}

void TunnelPorts::add_stats(std::vector<PortStats>& out) const {
  for (const TunnelSetup& tunnel : tunnels_) {
    const PortIndex port = port_of(tunnel.id);
    out.push_back(stats_of(tunnel, registry_.tunnel(tunnel.id)));
    out.back().mtu = punt_path_.mtu(port);
    add_counters(punt_path_.counters(port), out.back());
  }
  // What the workers have counted must be found again.
  if (const PuntPath::Counters& gone = punt_path_.removed(); gone.any()) {
    out.push_back({.name = "(removed)", .device = "tunnel interfaces that are gone", .driver = "tunnel"});
    add_counters(gone, out.back());
  }
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/device/ports.h"

#include <string>
#include <utility>

#include "dp/base/protocol.h"

namespace simplon::dp {
namespace {

// The stats of a VLAN port, made from those of its device; what it has received and sent is counted by the
// workers.
void describe_vlan(const PortSetup& setup, const std::string& parent, PortStats& out) {
  out.rx_missed = out.tx_errors = 0;
  out.name = setup.name;
  out.device = std::string(setup.vlan->service ? "service " : "") + "VLAN " + std::to_string(setup.vlan->id) +
               " of " + parent;
  out.side = setup.side;
  out.mtu = setup.mtu;
  out.vlan = setup.vlan;
}

}  // namespace

Result<void> Ports::open(std::size_t port, unsigned workers, rte_mempool* buffers, Wakeup& wakeup) {
  const PortSetup& setup = setups_[port];
  if (setup.vlan) {
    vlans_.add(setup.vlan->parent, setup.vlan->id, PortIndex{static_cast<std::uint16_t>(port)});
    return {};
  }
  auto opened = Port::open(setup, workers, buffers, &wakeup);
  if (!opened) return std::unexpected(opened.error());
  devices_[port] = std::move(*opened);
  return {};
}

std::size_t Ports::carrier_of(std::size_t port) const {
  while (setups_[port].vlan) port = static_cast<std::size_t>(setups_[port].vlan->parent);
  return port;
}

PortFacts Ports::facts(std::size_t port) const {
  return {device_of(port).facts().mac, setups_[port].side, setups_[port].mtu, setups_[port].spd};
}

VlanTags Ports::tags(std::size_t port) const {
  const auto& vlan = setups_[port].vlan;
  if (!vlan) return {};
  VlanTags out = tags(static_cast<std::size_t>(vlan->parent));
  out.add(vlan->service ? kEtherTypeServiceVlan : kEtherTypeVlan, vlan->id);
  return out;
}

PortStats Ports::stats(std::size_t port) const {
  PortStats out = device_of(port).stats();
  if (const auto& vlan = setups_[port].vlan)
    describe_vlan(setups_[port], setups_[static_cast<std::size_t>(vlan->parent)].name, out);
  if (counted(port)) out.rx_packets = out.rx_bytes = out.tx_packets = out.tx_bytes = 0;
  return out;
}

}  // namespace simplon::dp

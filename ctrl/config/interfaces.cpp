// SPDX-License-Identifier: Apache-2.0
// `interface` of a connection: a tunnel interface in the kernel, whose routes say what the tunnel carries.
#include <algorithm>

#include "ctrl/config/parts.h"

namespace simplon::ctrl {
namespace {

// IPv6 does not work over less (RFC 8200 §5).
constexpr std::uint16_t kLeastMtu = 1280, kMostMtu = 9600;

void check_name(const Value& name, const std::string& text, const Config& config) {
  if (!valid_port_name(text))
    return name.error(
        "'" + text.substr(0, 60) +
        "': the name of an interface is the kernel's: 1 to 15 letters, digits, '.', '-' or '_'");
  for (const dp::TunnelSetup& other : config.tunnels)
    if (other.name == text)
      return name.error("'" + text + "' is the interface of connection '" + other.connection + "' already");
  for (const dp::PortSetup& port : config.setup.ports) {
    const std::vector<std::string> shared = shared_interfaces(port.device);
    if (port.name == text) return name.error("'" + text + "' is the name of a port");
    if (std::ranges::find(shared, text) != shared.end())
      return name.error("'" + text + "' is an interface that port '" + port.name + "' uses");
  }
}

// Unnumbered interfaces may share an address, with each other and with a port; two networks may not overlap.
void read_tunnel_addresses(const Value& value, dp::PortIndex port, Config& out) {
  for (const Value& item : value.list()) {
    const auto address = read_address(item, port);
    if (!address) continue;
    const auto clash = std::ranges::find_if(out.addresses, [&](const PortAddress& other) {
      if (other.port == port) return other.address == address->address;
      if (address->length == address->address.bits() || address->address.is_link_local()) return false;
      return other.network().contains(address->address) || address->network().contains(other.address);
    });
    if (clash == out.addresses.end())
      out.addresses.push_back(*address);
    else if (clash->port == port)
      item.error("'" + address->address.text() + "' stands here twice");
    else
      item.error(
          "overlaps " + clash->text() + " of '" + port_name(out, clash->port) +
          "'; two interfaces cannot be in one network. One that shares an address has it with length " +
          std::to_string(address->address.bits()));
  }
}

}  // namespace

// The name alone, or a section.
InterfaceId read_interface(const Value& value, const std::string& connection, Config& out, PolicyIds& ids) {
  if (!value) return {};
  const bool section = value.node()->kind == Yaml::Kind::kMap;
  std::optional<Section> keys;
  if (section) keys.emplace(value);
  const Value name = section ? keys->require("name", "it is the interface's in the kernel") : value;
  const auto text = name.text();
  if (text) check_name(name, *text, out);
  if (static_cast<std::uint16_t>(ids.interface(text.value_or(""))) >= dp::kMostTunnels)
    name.error("is one more than there can be in the life of a process");
  dp::TunnelSetup tunnel{
      .id = ids.interface(text.value_or("")), .name = text.value_or(""), .connection = connection};
  if (section) {
    if (const auto mtu = keys->get("mtu").number(kLeastMtu, kMostMtu))
      tunnel.mtu = static_cast<std::uint16_t>(*mtu);
    read_tunnel_addresses(keys->get("addresses"), dp::port_of(tunnel.id), out);
    keys->finish();
  }
  if (out.mode == Mode::kKernel)
    value.error(
        "is of mode 'dp'; in mode 'kernel' Simplon makes no xfrm interfaces: there the policies decide what "
        "the tunnel carries");
  out.tunnels.push_back(std::move(tunnel));
  return out.tunnels.back().id;
}

}  // namespace simplon::ctrl

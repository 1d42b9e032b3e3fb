// SPDX-License-Identifier: Apache-2.0
// The sections `ports` and `routes`, and how they fit together.
#include <algorithm>
#include <charconv>

#include "ctrl/config/parts.h"
#include "ctrl/config/rules.h"
#include "dp/device/buffers.h"

namespace simplon::ctrl {
namespace {

// The kernel's IFNAMSIZ with its final zero.
constexpr std::size_t kLongestPortName = 15;
constexpr std::uint16_t kTagBytes = 4;  // IEEE 802.1Q

std::optional<dp::Mac> parse_mac(std::string_view text) {
  dp::Mac mac{};
  if (text.size() != 17) return std::nullopt;
  for (std::size_t i = 0; i < 6; ++i) {
    const char* at = text.data() + 3 * i;
    const auto [end, error] = std::from_chars(at, at + 2, mac[i], 16);
    if (error != std::errc{} || end != at + 2 || (i < 5 && at[2] != ':')) return std::nullopt;
  }
  // The group bit is a multicast's; all zeros is nobody's.
  if ((mac[0] & 1) != 0 || mac == dp::Mac{}) return std::nullopt;
  return mac;
}

}  // namespace

std::string port_name(const Config& config, dp::PortIndex port) {
  if (!dp::is_tunnel(port)) return config.setup.ports[static_cast<std::size_t>(port)].name;
  const auto tunnel = std::ranges::find(config.tunnels, dp::interface_of(port), &dp::TunnelSetup::id);
  return tunnel == config.tunnels.end() ? std::string() : tunnel->name;
}

bool valid_port_name(std::string_view name) {
  return valid_name(name) && name.size() <= kLongestPortName && name != "." && name != ".." && name != "lo" &&
         name != "all" && name != "default";
}

std::optional<PortAddress> read_address(const Value& item, dp::PortIndex port) {
  const auto text = item.text();
  if (!text) return std::nullopt;
  const std::size_t slash = text->find('/');
  const auto address = IpAddress::parse(std::string_view(*text).substr(0, slash));
  const std::string_view digits = slash == std::string::npos ? "" : std::string_view(*text).substr(slash + 1);
  unsigned length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (!address || digits.empty() || error != std::errc{} || end != digits.data() + digits.size() ||
      length == 0 || length > address->bits()) {
    item.error("'" + text->substr(0, 60) +
               "' is no address with its prefix length; use one like 192.0.2.1/24 or 2001:db8::1/64");
    return std::nullopt;
  }
  const PortAddress out{port, *address, static_cast<std::uint8_t>(length)};
  const Prefix network = out.network();
  const bool multicast = address->is_v4() ? address->bytes()[0] >= 224 : address->bytes()[0] == 0xff;
  const bool network_itself = length + 1 < address->bits() && *address == network.first();
  const bool broadcast = address->is_v4() && length < 31 && *address == network.last();
  if (multicast || address->is_unspecified() || network_itself || broadcast) {
    item.error("'" + *text + "' is no address that a port can have");
    return std::nullopt;
  }
  return out;
}

namespace {

void read_addresses(const Value& value, dp::PortIndex port, Config& out) {
  for (const Value& item : value.list()) {
    const auto address = read_address(item, port);
    if (!address) continue;
    const auto clash = std::ranges::find_if(out.addresses, [&](const PortAddress& other) {
      if (other.address == address->address) return true;
      if (other.port == port || address->address.is_link_local()) return false;
      return other.network().contains(address->address) || address->network().contains(other.address);
    });
    if (clash == out.addresses.end())
      out.addresses.push_back(*address);
    else if (clash->address == address->address)
      item.error("port '" + port_name(out, clash->port) + "' has this address already");
    else
      item.error("overlaps " + clash->text() + " of port '" + port_name(out, clash->port) +
                 "'; two ports cannot be in one network");
  }
}

std::optional<dp::PortIndex> find_port(const Value& value, const Config& config) {
  const auto name = value.text();
  if (!name) return std::nullopt;
  std::vector<std::string_view> known;
  for (std::size_t i = 0; i < config.setup.ports.size(); ++i) {
    if (config.setup.ports[i].name == *name) return static_cast<dp::PortIndex>(i);
    known.push_back(config.setup.ports[i].name);
  }
  for (const dp::TunnelSetup& tunnel : config.tunnels) {
    if (tunnel.name == *name) return dp::port_of(tunnel.id);
    known.push_back(tunnel.name);
  }
  value.error("there is no port '" + name->substr(0, 60) + "'" + did_you_mean(*name, known));
  return std::nullopt;
}

// The keys of a port with a device.
void read_nic(Section& port, Config& out, dp::PortSetup& setup) {
  for (const char* key : {"vlan", "tag"})
    if (const Value other = port.get(key)) other.error("needs a 'parent', the port that this is a VLAN of");
  if (const Value bond = port.get("bond")) {
    read_bond(bond, out, setup);
    if (const Value device = port.get("device")) device.error("the bond's members are the port's devices");
  } else {
    read_device(
        port.require("device", "use a PCI address or a virtual device like net_af_packet0,iface=eth1"), out,
        setup);
  }
  port.require("side", "use protected (the clear network) or unprotected (where ESP travels)");
  if (const auto queues = port.get("queues").number(0, 256))
    setup.queues = static_cast<std::uint16_t>(*queues);
  if (const auto n = port.get("descriptors").number(64, 32768))
    setup.descriptors = static_cast<std::uint16_t>(*n);
  const Value mac = port.get("mac");
  if (const auto text = mac.text()) {
    setup.mac = parse_mac(*text);
    if (!setup.mac)
      mac.error("'" + text->substr(0, 60) + "' is no unicast MAC address; use one like 02:00:00:00:00:01");
  }
}

// The keys of a VLAN of a port that stands before it: side and MTU are the parent's where it does not say
// others. Two tags have to fit into the parent's frames as well.
void read_vlan(Section& port, const Value& parent, const Config& out, dp::PortSetup& setup) {
  for (const char* key : {"device", "bond", "queues", "descriptors", "mac"})
    if (const Value other = port.get(key)) other.error("is the parent's; a VLAN has none of its own");
  const Value id = port.require("vlan", "a port with a 'parent' is a VLAN of it: 1 to 4094");
  const auto number = id.number(1, 4094);
  const auto tag = port.get("tag").choice<bool>({{"802.1q", false}, {"802.1ad", true}});
  const auto found = find_port(parent, out);
  if (!found || !number) return;
  const dp::PortSetup& of = out.setup.ports[static_cast<std::size_t>(*found)];
  setup.vlan = dp::Vlan{*found, static_cast<std::uint16_t>(*number), tag.value_or(false)};
  setup.side = of.side;
  setup.mtu = static_cast<std::uint16_t>(of.vlan ? of.mtu - kTagBytes : of.mtu);
  setup.tap = of.tap;
  // A frame whose tag the kernel or the NIC keeps to itself would be taken for the parent's, on its side.
  const auto hides_tags = [](const std::string& device) { return device.starts_with("net_af_xdp"); };
  if (std::ranges::any_of(of.devices(), hides_tags))
    parent.error("'" + of.name +
                 "' is a net_af_xdp port, which may not see the tags of its frames; use net_af_packet");
  if (of.vlan && out.setup.ports[static_cast<std::size_t>(of.vlan->parent)].vlan)
    parent.error("is a VLAN in a VLAN already; there are two tags at most");
  for (const dp::PortSetup& other : out.setup.ports)
    if (other.vlan && other.vlan->parent == *found && other.vlan->id == *number)
      id.error("port '" + other.name + "' is this VLAN already");
}

void read_port_name(const Value& name, const Config& out, dp::PortSetup& setup) {
  const auto text = name.text();
  if (!text) return;
  if (!valid_port_name(*text))
    name.error("'" + text->substr(0, 60) +
               "': the name of a port is the kernel interface's: 1 to 15 letters, digits, '.', '-' or '_'");
  else if (std::ranges::find(out.setup.ports, *text, &dp::PortSetup::name) != out.setup.ports.end())
    name.error("there is a port '" + *text + "' already");
  setup.name = text->substr(0, 60);
}

void read_port(const Value& value, Config& out) {
  Section port(value);
  dp::PortSetup setup;
  const Value name = port.require("name", "it is the port's name in the kernel and at the console");
  read_port_name(name, out, setup);
  const Value parent = port.get("parent"), side = port.get("side"), mtu = port.get("mtu");
  parent ? read_vlan(port, parent, out, setup) : read_nic(port, out, setup);
  if (const auto s = side.choice<dp::Side>(
          {{"protected", dp::Side::kProtected}, {"unprotected", dp::Side::kUnprotected}}))
    setup.side = *s;
  const Value spd = port.get("spd");
  if (const auto text = spd.text()) {
    if (!valid_name(*text)) spd.error(kNameRule);
    setup.spd = *text;
  }
  // 9,702 is the largest frame of the cards DPDK knows, less the headers; 576 the least that IPv4 asks for.
  const std::uint16_t most = setup.vlan ? setup.mtu : 9600;
  if (const auto bytes = mtu.number(576, most)) setup.mtu = static_cast<std::uint16_t>(*bytes);
  const auto index = static_cast<dp::PortIndex>(out.setup.ports.size());
  const bool has_device = !setup.vlan && !setup.bond;
  out.setup.ports.push_back(std::move(setup));
  check_interfaces(has_device ? port.get("device") : parent ? name : port.get("bond"), out);
  read_addresses(port.get("addresses"), index, out);
  port.finish();
}

// A gateway must be a neighbour: on the network of one of the port's addresses, and not the port itself.
void check_gateway(const Value& via, dp::Route& route, bool has_port, const Config& config) {
  const IpAddress gateway = *route.gateway;
  const auto own = std::ranges::find(config.addresses, gateway, &PortAddress::address);
  if (own != config.addresses.end())
    return via.error("is the address of port '" + port_name(config, own->port) + "' itself");
  if (gateway.is_link_local()) {
    if (!has_port) via.error("a link-local gateway needs a 'port'");
    return;
  }
  const auto near = std::ranges::find_if(config.addresses, [&](const PortAddress& a) {
    return a.network().contains(gateway) && (!has_port || a.port == route.port);
  });
  if (near != config.addresses.end())
    route.port = near->port;
  else if (has_port)
    via.error(gateway.text() + " is on no network of port '" + port_name(config, route.port) +
              "'; give the port an address in the gateway's network");
  else
    via.error(
        gateway.text() +
        " is on no port's network; name the 'port', or give a port an address in the gateway's network");
}

void read_route(const Value& value, Config& out) {
  Section section(value);
  dp::Route route;
  const Value to = section.require("to", "use a prefix or default"), via = section.get("via"),
              port = section.get("port");
  route.gateway = via.address();
  const auto named = find_port(port, out);
  if (named) route.port = *named;
  const auto text = to.text();
  const Family family = route.gateway ? route.gateway->family() : Family::kV4;
  std::optional<Prefix> prefix;
  if (text == "default" && via)
    prefix = Prefix::all(family);
  else if (text == "default" && port)
    to.error("without 'via' the family is not known; use 0.0.0.0/0 or ::/0");
  else if (text != "default")
    prefix = to.parsed<Prefix>(&Prefix::parse);
  if (const auto metric = section.get("metric").number(0, 4294967295))
    route.metric = static_cast<std::uint32_t>(*metric);
  section.finish();
  if (!via && !port && section.value()) value.error("needs 'via', 'port', or both");
  // A wrong port or gateway is an error already.
  if (!prefix || (port && !named) || (via && !route.gateway) || (!via && !port)) return;
  route.prefix = *prefix;
  if (route.gateway && route.gateway->family() != prefix->address.family())
    return via.error("the gateway and the destination must be of one family");
  if (route.gateway) check_gateway(via, route, named.has_value(), out);
  if (std::ranges::any_of(out.routes, [&](const dp::Route& r) {
        return r.prefix == route.prefix && r.metric == route.metric;
      }))
    return to.error("there is a route to " + prefix->text() + " with this metric already");
  out.routes.push_back(route);
}

}  // namespace

void read_ports(const Value& value, Config& out) {
  for (const Value& item : value.list()) read_port(item, out);
  if (out.mode == Mode::kKernel) return;
  const std::size_t ports = out.setup.ports.size();
  if (dp::punt_slots(out.setup.buffers, ports) == 0)
    value.error(std::to_string(ports) + " ports need 'buffers' of " +
                std::to_string(dp::fewest_buffers(ports)) + " at least");
  if (!value)
    value.error("is missing; mode 'dp' needs at least one port");
  else if (value.node()->kind == Yaml::Kind::kNull ||
           (value.node()->kind == Yaml::Kind::kList && value.list().empty()))
    value.error("mode 'dp' needs at least one port");
}

void read_routes(const Value& value, Config& out) {
  for (const Value& item : value.list()) read_route(item, out);
}

}  // namespace simplon::ctrl

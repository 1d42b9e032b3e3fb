// SPDX-License-Identifier: Apache-2.0
// The keys `device` and `bond` of a port. A device is a PCI address, or one of DPDK's virtual devices with
// its arguments; a bond is several that are one port.
#include <algorithm>
#include <array>
#include <iterator>

#include "ctrl/config/parts.h"
#include "dp/base/device_name.h"

namespace simplon::ctrl {
namespace {

// DPDK finds the driver of a virtual device by the beginning of its name.
constexpr std::array kVdevs{std::string_view("net_af_packet"), std::string_view("net_af_xdp"),
                            std::string_view("net_bonding"),   std::string_view("net_kni"),
                            std::string_view("net_memif"),     std::string_view("net_null"),
                            std::string_view("net_pcap"),      std::string_view("net_ring"),
                            std::string_view("net_softnic"),   std::string_view("net_tap"),
                            std::string_view("net_tun"),       std::string_view("net_vdev_netvsc"),
                            std::string_view("net_vhost"),     std::string_view("net_virtio_user")};

// "0000:01:00.0", "01:00.0" or a virtual device with arguments, "net_af_packet0,iface=eth1".
bool valid_device(const std::string& device) {
  const std::string_view text = device;
  if (text.find_first_of(" \t") != std::string_view::npos) return false;
  if (std::ranges::any_of(kVdevs, [&](std::string_view driver) { return text.starts_with(driver); }))
    return true;
  return is_pci_address(device) || is_vmbus_device(device);  // the latter: netvsc
}

// "; did you mean 'net_tap'?"
std::string meant_driver(std::string_view device) {
  std::string_view driver = device.substr(0, device.find(','));
  driver = driver.substr(0, driver.find_last_not_of("0123456789") + 1);
  return driver.starts_with("net") ? did_you_mean(driver, {kVdevs.begin(), kVdevs.end()}) : "";
}

// What names a device, without its arguments.
std::string_view id_of(std::string_view device) { return device.substr(0, device.find(',')); }

// A device of no port before this one.
bool is_free(const Value& device, const std::string& name, const Config& out) {
  const std::string_view id = id_of(name);
  for (const dp::PortSetup& port : out.setup.ports)
    for (const std::string& other : port.devices())
      if (id_of(other) == id) {
        device.error("another port has device '" + std::string(id) + "'");
        return false;
      }
  return true;
}

// In full; none: it is no device, or another port's, which is reported.
std::optional<std::string> read_name(const Value& device, const Config& out) {
  const auto text = device.text();
  if (!text) return std::nullopt;
  std::string name = full_device_name(*text);
  if (text->starts_with("net_bonding"))
    device.error("DPDK's bond is made by the port's key 'bond', which names its members");
  else if (!valid_device(*text))
    device.error("'" + text->substr(0, 60) +
                 "' is no device; use a PCI address (0000:01:00.0) or a virtual device with its "
                 "arguments (net_af_packet0,iface=eth1)" +
                 meant_driver(*text));
  else if (is_free(device, name, out))
    return name;
  return std::nullopt;
}

std::vector<std::string> interfaces_of(const dp::PortSetup& port) {
  std::vector<std::string> out;
  for (const std::string& device : port.devices())
    std::ranges::move(shared_interfaces(device), std::back_inserter(out));
  return out;
}

// LACP notices nothing for 90 seconds where the driver does not tell a bond of its links.
bool tells_of_links(std::string_view device) {
  constexpr std::string_view kMute[] = {"net_af_packet", "net_af_xdp", "net_pcap", "net_tap"};
  return std::ranges::none_of(kMute, [&](std::string_view driver) { return device.starts_with(driver); });
}

void read_members(const Value& members, const Config& out, dp::Bond& bond) {
  for (const Value& item : members.list()) {
    const auto name = read_name(item, out);
    if (!name) continue;
    const std::vector<std::string> interfaces = shared_interfaces(*name);
    const auto same = [&](const std::string& other) {
      return id_of(other) == id_of(*name) ||
             std::ranges::find_first_of(interfaces, shared_interfaces(other)) != interfaces.end();
    };
    if (std::ranges::any_of(bond.members, same))
      item.error("'" + std::string(id_of(*name)) + "' stands here twice");
    else if (bond.mode == dp::Bond::Mode::kLacp && !tells_of_links(*name))
      item.error("its driver does not tell when it has lost its link; use active-backup");
    else
      bond.members.push_back(*name);
  }
  if (members && members.list().size() < 2) members.error("a bond has two members at least");
}

void read_primary(const Value& primary, dp::Bond& bond) {
  const auto text = primary.text();
  if (!text) return;
  const std::string name = full_device_name(*text);
  const auto member = std::ranges::find_if(
      bond.members, [&](const std::string& other) { return id_of(other) == id_of(name); });
  if (member == bond.members.end())
    primary.error("is none of the members");
  else
    bond.primary = *member;
}

}  // namespace

void read_device(const Value& device, const Config& out, dp::PortSetup& setup) {
  if (auto name = read_name(device, out)) setup.device = std::move(*name);
}

void read_bond(const Value& value, const Config& out, dp::PortSetup& setup) {
  using Mode = dp::Bond::Mode;
  using Policy = dp::Bond::Policy;
  Section section(value);
  dp::Bond bond;
  const Value mode = section.require("mode", "use active-backup or 802.3ad"),
              members = section.require("members", "a list of devices"), primary = section.get("primary"),
              policy = section.get("xmit_policy");
  if (const auto m = mode.choice<Mode>({{"active-backup", Mode::kActiveBackup}, {"802.3ad", Mode::kLacp}}))
    bond.mode = *m;
  read_members(members, out, bond);
  read_primary(primary, bond);
  if (const auto p =
          policy.choice<Policy>({{"l2", Policy::kL2}, {"l23", Policy::kL23}, {"l34", Policy::kL34}}))
    bond.policy = *p;
  if (const Value& other = bond.mode == Mode::kLacp ? primary : policy)
    other.warning("is not used in this mode of the bond");
  section.finish();
  setup.device = "net_bonding" + std::to_string(out.setup.ports.size());
  setup.bond = std::move(bond);
}

// Two ports on one interface would each forward what the other sends; and a port's own interface in the
// kernel (its TAP) cannot have the name of one that is there.
void check_interfaces(const Value& device, const Config& config) {
  const dp::PortSetup& port = config.setup.ports.back();
  for (const std::string& interface : interfaces_of(port))
    for (const dp::PortSetup& other : config.setup.ports) {
      const std::vector<std::string> others = interfaces_of(other);
      if (&other != &port && std::ranges::find(others, interface) != others.end())
        device.error("port '" + other.name + "' has interface '" + interface + "' already");
      else if (other.name == interface)
        device.error(
            "'" + interface + "' is the name of " +
            (&other == &port ? "this port" : "port '" + other.name + "'") +
            " as well, which gets an interface of its own in the kernel; give the port another name");
    }
  for (const dp::PortSetup& other : config.setup.ports) {
    const std::vector<std::string> others = interfaces_of(other);
    if (&other != &port && std::ranges::find(others, port.name) != others.end())
      device.error("its port has the name of an interface that port '" + other.name +
                   "' uses; give it another name");
  }
}

std::vector<std::string> shared_interfaces(const std::string& device) {
  constexpr std::string_view kDrivers[] = {"net_af_packet", "net_pcap", "net_af_xdp"};
  constexpr std::string_view kKeys[] = {"iface=", "rx_iface=", "rx_iface_in="};
  std::vector<std::string> out;
  const std::string_view text = device;
  if (std::ranges::none_of(kDrivers, [&](std::string_view d) { return text.starts_with(d); })) return out;
  for (std::size_t at = text.find(','); at != std::string_view::npos; at = text.find(',', at)) {
    ++at;
    const std::string_view argument = text.substr(at, text.find(',', at) - at);
    for (const std::string_view key : kKeys) {
      if (!argument.starts_with(key)) continue;
      const std::string name(argument.substr(key.size()));
      if (std::ranges::find(out, name) == out.end()) out.push_back(name);
    }
  }
  return out;
}

}  // namespace simplon::ctrl

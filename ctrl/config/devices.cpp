// SPDX-License-Identifier: Apache-2.0
// The key `device` of a port: a PCI address, or one of DPDK's virtual devices with its arguments.
#include <algorithm>
#include <array>

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

}  // namespace

void read_device(const Value& device, const Config& out, dp::PortSetup& setup) {
  const auto text = device.text();
  if (!text) return;
  setup.device = full_device_name(*text);
  const std::string_view id = std::string_view(setup.device).substr(0, setup.device.find(','));
  if (!valid_device(*text))
    return device.error("'" + text->substr(0, 60) +
                        "' is no device; use a PCI address (0000:01:00.0) or a virtual device with its "
                        "arguments (net_af_packet0,iface=eth1)" +
                        meant_driver(*text));
  for (const dp::PortSetup& p : out.setup.ports)
    if (!p.vlan && std::string_view(p.device).substr(0, p.device.find(',')) == id)
      return device.error("another port has device '" + std::string(id) + "'");
}

// Two ports on one interface would each forward what the other sends; and a port's own interface in the
// kernel (its TAP) cannot have the name of one that is there.
void check_interfaces(const Value& device, const Config& config) {
  const dp::PortSetup& port = config.setup.ports.back();
  for (const std::string& interface : shared_interfaces(port.device))
    for (const dp::PortSetup& other : config.setup.ports) {
      const std::vector<std::string> others = shared_interfaces(other.device);
      if (&other != &port && std::ranges::find(others, interface) != others.end())
        device.error("port '" + other.name + "' has interface '" + interface + "' already");
      else if (other.name == interface)
        device.error(
            "'" + interface + "' is the name of " +
            (&other == &port ? "this port" : "port '" + other.name + "'") +
            " as well, which gets an interface of its own in the kernel; give the port another name");
    }
  for (const dp::PortSetup& other : config.setup.ports) {
    const std::vector<std::string> others = shared_interfaces(other.device);
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

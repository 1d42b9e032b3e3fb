// SPDX-License-Identifier: Apache-2.0
#include "dp/device/device.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <rte_ethdev.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "dp/base/device_name.h"
#include "dp/device/pci.h"

namespace simplon::dp {
namespace {

// Asked of the driver: IFF_RUNNING follows it up to a second later.
bool has_carrier(const std::string& interface) {
  const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (s < 0) return true;  // it is not known
  ethtool_value link{.cmd = ETHTOOL_GLINK, .data = 0};
  ifreq r{};
  std::strncpy(r.ifr_name, interface.c_str(), IFNAMSIZ - 1);
  r.ifr_data = reinterpret_cast<char*>(&link);
  const bool told = ioctl(s, SIOCETHTOOL, &r) == 0;
  const int why = errno;
  close(s);
  return told ? link.data != 0 : why == EOPNOTSUPP;
}

}  // namespace

std::string device_name(const std::string& device) {
  const std::string full = full_device_name(device);
  return full.substr(0, full.find(','));
}

std::string device_argument(const std::string& device, const std::string& key) {
  const std::size_t at = device.find("," + key + "=");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + key.size() + 2;
  return device.substr(begin, device.find(',', begin) - begin);
}

bool is_fed_by_kernel(const std::string& device) {
  if (device.starts_with("net_pcap")) return device.find("iface=") != std::string::npos;
  return device.starts_with("net_af_packet") || device.starts_with("net_af_xdp") ||
         device.starts_with("net_tap");
}

// rte_eal_init succeeds even when a device failed to probe: it is looked up by name.
Result<std::uint16_t> find_device(const std::string& device) {
  std::uint16_t id = 0;
  const std::string name = device_name(device);
  if (rte_eth_dev_get_port_by_name(name.c_str(), &id) == 0) return id;
  if (is_pci_address(name)) return fail("device '" + device + "': " + why_not(name, kernel_files()));
  return fail("there is no device '" + device + "'; is its interface there, are its arguments right?");
}

// Virtual devices name the node of whoever made them, which says nothing of where their packets come from.
int node_of(const std::vector<std::string>& devices) {
  for (const std::string& device : devices) {
    std::uint16_t id = 0;
    const std::string name = device_name(device);
    if ((is_pci_address(name) || is_vmbus_device(name)) &&
        rte_eth_dev_get_port_by_name(name.c_str(), &id) == 0)
      return rte_eth_dev_socket_id(id);
  }
  return SOCKET_ID_ANY;
}

// A software port has no link of its own: it has that of the interface that it shares with the kernel. What
// net_tap has made may have been moved to a namespace where it is not to be seen.
bool has_link(const std::string& device, std::uint16_t id) {
  if (device.starts_with("net_tap")) return true;
  std::string interface;
  for (const char* key : {"iface", "rx_iface", "rx_iface_in"})
    if (interface.empty()) interface = device_argument(device, key);
  if (is_fed_by_kernel(device) && !interface.empty()) return has_carrier(interface);
  rte_eth_link link{};
  return rte_eth_link_get_nowait(id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

}  // namespace simplon::dp

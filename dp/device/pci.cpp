// SPDX-License-Identifier: Apache-2.0
#include "dp/device/pci.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <string_view>

namespace simplon::dp {
namespace {

namespace fs = std::filesystem;

// Drivers that give a device to user space, and those of NICs that DPDK shares with the kernel.
constexpr std::array<std::string_view, 3> kUserDrivers{"vfio-pci", "uio_pci_generic", "igb_uio"};
constexpr std::array<std::string_view, 3> kSharedDrivers{"mlx5_core", "mlx4_core", "mana"};
constexpr std::string_view kHow = " (docs/drivers.md)";

bool is_one_of(const std::array<std::string_view, 3>& drivers, std::string_view driver) {
  return std::ranges::find(drivers, driver) != drivers.end();
}

std::string name_of(const std::string& device) { return device.substr(0, device.find(',')); }

// The last part of where a link leads; empty: there is none.
std::string end_of_link(const fs::path& link) {
  std::error_code none;
  return fs::read_symlink(link, none).filename();
}

std::string line_of(const fs::path& file) {
  std::string line;
  std::getline(std::ifstream(file) >> std::ws, line);
  return line;
}

// A device of its IOMMU group that the kernel still uses: a group belongs to user space as a whole.
std::string member_in_use(const fs::path& group) {
  std::error_code none;
  for (const auto& member : fs::directory_iterator(group / "devices", none)) {
    const std::string driver = end_of_link(member.path() / "driver");
    if (driver.empty() || driver == "pcieport" || is_one_of(kUserDrivers, driver)) continue;
    return std::string(member.path().filename()) + " (" + driver + ")";
  }
  return "";
}

std::string vfio_hindrance(const fs::path& device, const fs::path& root) {
  const std::string group = end_of_link(device / "iommu_group");
  if (group.empty())
    return "it is bound to vfio-pci, but no IOMMU is on: set intel_iommu=on (AMD: in the firmware), or bind "
           "it to "
           "uio_pci_generic" +
           std::string(kHow);
  if (const std::string other = member_in_use(device / "iommu_group"); !other.empty())
    return "its IOMMU group has " + other + " as well; bind that to vfio-pci, too" + std::string(kHow);
  const fs::path node = root / "dev/vfio" / group;
  const int fd = ::open(node.c_str(), O_RDWR | O_CLOEXEC);
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (fd < 0 && error == EBUSY) return "another process has it, or its IOMMU group " + group;
  if (fd < 0 && (error == EACCES || error == EPERM)) return "no permission to open " + node.string();
  return "";
}

}  // namespace

bool is_pci_address(const std::string& device) {
  const std::string name = name_of(device);
  return name.find(':') != std::string::npos && name.find('.') != std::string::npos &&
         name.find('=') == std::string::npos;
}

std::string full_pci_address(const std::string& device) {
  const std::string name = name_of(device);
  if (name.find_first_not_of("0123456789abcdefABCDEF:.") != std::string::npos) return device;
  unsigned domain = 0, bus = 0, slot = 0, function = 0;
  int end = 0;
  const auto whole = [&] { return static_cast<std::size_t>(end) == name.size(); };
  const bool full =
      std::sscanf(name.c_str(), "%x:%x:%x.%x%n", &domain, &bus, &slot, &function, &end) == 4 && whole();
  if (!full) {
    domain = 0;
    if (std::sscanf(name.c_str(), "%x:%x.%x%n", &bus, &slot, &function, &end) != 3 || !whole()) return device;
  }
  char text[40];
  std::snprintf(text, sizeof text, "%.4x:%.2x:%.2x.%x", domain, bus, slot, function);
  return text + device.substr(name.size());
}

std::string pci_hindrance(const std::string& address, bool hugepages, const fs::path& root) {
  const fs::path device = root / "sys/bus/pci/devices" / address;
  std::error_code none;
  if (!fs::exists(device, none)) return "this machine has no PCI device of that address; lspci -D shows them";
  const std::string driver = end_of_link(device / "driver");
  if (driver.empty()) return "it is bound to no driver; bind it to vfio-pci" + std::string(kHow);
  const bool user = is_one_of(kUserDrivers, driver);
  if (!user && !is_one_of(kSharedDrivers, driver))
    return "the kernel has it, by its driver " + driver + "; bind it to vfio-pci" + std::string(kHow);
  if (driver == "vfio-pci") {
    if (std::string what = vfio_hindrance(device, root); !what.empty()) return what;
  } else if (user && !hugepages) {
    return driver +
           " works with hugepages only, since other pages have no lasting physical address; reserve some in "
           "/proc/sys/vm/nr_hugepages, or bind it to vfio-pci" +
           std::string(kHow);
  }
  return "DPDK's own message stands above, if it has a driver for " + line_of(device / "vendor") + ":" +
         line_of(device / "device") + " at all";
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/device/pci.h"

#include <fcntl.h>
#include <rte_eal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>

#include "dp/base/device_name.h"

namespace simplon::dp {
namespace {

namespace fs = std::filesystem;

// Name of what a symbolic link leads to.
std::optional<std::string> target(const fs::path& link) {
  std::error_code none;
  const fs::path to = fs::read_symlink(link, none);
  return none ? std::nullopt : std::optional(to.filename().string());
}

std::string word_of(const fs::path& file) {
  std::string word;
  std::ifstream(file) >> word;
  return word;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> out;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) out.push_back(entry.path().filename());
  std::ranges::sort(out);
  return out;
}

bool stays_in_kernel(const std::string& driver) { return driver == "mlx5_core" || driver == "mlx4_core"; }

std::string why_not_opened(const fs::path& file, int why) {
  const std::string at = file.string();
  switch (why) {
    case EBUSY:
      return "it is taken: another process has " + at + " open; end that process";
    case EACCES:
    case EPERM:
      return "no permission to open " + at + "; run as root, or give the user the file and CAP_IPC_LOCK";
    case ENOENT:
      return at + " is missing; in a container, hand it in with the device";
    default:
      return at + ": " + std::strerror(why);
  }
}

std::string no_driver(const fs::path& device, const std::string& address) {
  return "DPDK has no driver for it (vendor " + word_of(device / "vendor") + ", device " +
         word_of(device / "device") + "), or did not start it: its own message stands above; are all " +
         "librte-net packages installed, and is " + address + " a network device?";
}

// A device of its IOMMU group that the kernel still uses: a group belongs to user space as a whole.
std::string user_of_group(const fs::path& device) {
  for (const std::string& member : names_in(device / "iommu_group" / "devices")) {
    const auto driver = target(device / "iommu_group" / "devices" / member / "driver");
    if (driver && *driver != "pcieport" && *driver != "vfio-pci") return member + " (driver " + *driver + ")";
  }
  return {};
}

std::string why_not_vfio(const fs::path& device, const std::string& address, const DeviceFiles& files) {
  const auto group = target(device / "iommu_group");
  if (!group)
    return "there is no IOMMU for it; switch it on in the firmware (VT-d, AMD-Vi) and with intel_iommu=on " +
           std::string("on the kernel's command line, or do without it: ") +
           "echo 1 >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode, then bind " + address + " anew";
  if (const std::string other = user_of_group(device); !other.empty())
    return "the kernel uses " + other + " of its IOMMU group; bind that to vfio-pci, too";
  // Without an IOMMU the group has another name.
  std::error_code none;
  fs::path file = files.dev / "vfio" / *group;
  if (const fs::path bare = files.dev / "vfio" / ("noiommu-" + *group); fs::exists(bare, none)) file = bare;
  if (const int why = files.open(file); why != 0) return why_not_opened(file, why);
  return no_driver(device, address);
}

std::string why_not_uio(const fs::path& device, const std::string& address, const DeviceFiles& files) {
  if (!files.hugepages)
    return "uio works with hugepages only, since other pages have no lasting physical address; reserve some "
           "in /proc/sys/vm/nr_hugepages, or bind " +
           address + " to vfio-pci";
  for (const std::string& uio : names_in(device / "uio"))
    if (const int why = files.open(files.dev / uio); why != 0) return why_not_opened(files.dev / uio, why);
  return no_driver(device, address);
}

}  // namespace

DeviceFiles kernel_files() {
  const auto open = [](const fs::path& file) {
    const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return errno;
    ::close(fd);
    return 0;
  };
  return {.hugepages = rte_eal_has_hugepages() != 0, .open = open};
}

std::string why_not(const std::string& address, const DeviceFiles& files) {
  const std::string full = full_device_name(address);
  const fs::path device = files.sys / "bus" / "pci" / "devices" / full;
  std::error_code none;
  if (!fs::exists(device, none))
    return "there is no PCI device " + full + "; `lspci -D` lists those that there are";
  const std::string bind = "`dpdk-devbind.py --bind=vfio-pci " + full + "`";
  const auto driver = target(device / "driver");
  if (!driver) return "it is not bound to a driver; " + bind;
  if (*driver == "vfio-pci") return why_not_vfio(device, full, files);
  if (*driver == "uio_pci_generic" || *driver == "igb_uio") return why_not_uio(device, full, files);
  if (stays_in_kernel(*driver)) return no_driver(device, full);
  const std::vector<std::string> interfaces = names_in(device / "net");
  return "it is not bound to vfio-pci: the kernel has it (driver " + *driver +
         (interfaces.empty() ? "" : ", interface " + interfaces.front()) + "); " + bind;
}

std::vector<std::string> kernel_interfaces(const std::string& address, const DeviceFiles& files) {
  if (!is_pci_address(address)) return {};
  const std::string full = full_device_name(address);
  const fs::path device = files.sys / "bus" / "pci" / "devices" / full.substr(0, full.find(','));
  const auto driver = target(device / "driver");
  return driver && stays_in_kernel(*driver) ? names_in(device / "net") : std::vector<std::string>{};
}

}  // namespace simplon::dp

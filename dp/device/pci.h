// SPDX-License-Identifier: Apache-2.0
// Why a NIC cannot be a port: asked of the kernel's files when DPDK has no device of an address, since DPDK
// does not say. Control thread.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace simplon::dp {

// Where the kernel shows its devices. `open` opens a file for reading and writing and closes it again; 0, or
// its errno. `hugepages`: our memory is in such.
struct DeviceFiles {
  std::filesystem::path sys = "/sys", dev = "/dev";
  bool hugepages = true;
  std::function<int(const std::filesystem::path&)> open;
};
DeviceFiles kernel_files();

// Why DPDK has no port at this PCI address, and what to do.
std::string why_not(const std::string& address, const DeviceFiles& files);
// The kernel's interfaces of a NIC whose driver stays in the kernel beside DPDK's (mlx4, mlx5); none of any
// other.
std::vector<std::string> kernel_interfaces(const std::string& address, const DeviceFiles& files);

}  // namespace simplon::dp

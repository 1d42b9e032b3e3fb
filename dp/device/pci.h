// SPDX-License-Identifier: Apache-2.0
// Addresses of NICs, and why one cannot be a port: asked of the kernel's files when DPDK has no device of an
// address, since DPDK does not say. Control thread.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace simplon::dp {

// As Linux and DPDK write it: "0000:03:00.0" for "03:00.0" and "3:0.0", arguments behind a comma kept.
// Anything else stays as it is.
std::string full_device_name(const std::string& device);
bool is_pci_address(const std::string& device);  // with or without its domain
// A device of Hyper-V's bus, by its UUID (netvsc).
bool is_vmbus_device(const std::string& device);

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

// SPDX-License-Identifier: Apache-2.0
// PCI devices as the configuration names them and as Linux shows them. Control thread.
#pragma once

#include <filesystem>
#include <string>

namespace simplon::dp {

bool is_pci_address(const std::string& device);  // "0000:01:00.0", "01:00.0", with arguments or without

// As Linux and DPDK write it: "1:0.0,a=b" is "0000:01:00.0,a=b". What is no PCI address comes back as it is.
std::string full_pci_address(const std::string& device);

// Why DPDK cannot have this device, and what to do: a sentence for people. `address` is a full one;
// `hugepages`: the memory is in such; `root`: of the file system.
std::string pci_hindrance(const std::string& address, bool hugepages,
                          const std::filesystem::path& root = "/");

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// Names of devices on a bus, as the configuration and DPDK write them.
#pragma once

#include <string>

namespace simplon {

// As Linux and DPDK write it: "0000:03:00.0" for "03:00.0" and "3:0.0", arguments behind a comma kept.
// Anything else stays as it is.
std::string full_device_name(const std::string& device);
// A PCI address as full_device_name() reads it.
bool is_pci_address(const std::string& device);
// A device of Hyper-V's bus, by its UUID (netvsc).
bool is_vmbus_device(const std::string& device);

}  // namespace simplon

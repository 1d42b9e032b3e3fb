// SPDX-License-Identifier: Apache-2.0
// One device of DPDK's, by the name that the configuration has for it: a NIC on a bus, or a virtual device
// with its arguments. Control thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dp/base/result.h"

namespace simplon::dp {

// As DPDK has it: without arguments, PCI addresses in full.
std::string device_name(const std::string& device);
// The value of an argument of a virtual device; empty when it is not given.
std::string device_argument(const std::string& device, const std::string& key);
// Whether a kernel interface feeds this virtual device, and not a NIC, a file or another program.
bool is_fed_by_kernel(const std::string& device);

// The port ID of a device that EAL was given. The error says why there is none.
Result<std::uint16_t> find_device(const std::string& device);
// The NUMA node that the first of these devices is on; -1: none is a NIC, or the machine does not tell.
int node_of(const std::vector<std::string>& devices);
bool has_link(const std::string& device, std::uint16_t id);

}  // namespace simplon::dp

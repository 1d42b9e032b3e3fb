// SPDX-License-Identifier: Apache-2.0
// The kernel's interfaces that get frames of a port beside it, and have to be muted.
#pragma once

#include <string>
#include <vector>

#include "dp/device/spec.h"

namespace simplon::ctrl {

// Those that its virtual device shares with the kernel, and those of a NIC whose driver stays in the kernel.
std::vector<std::string> interfaces_to_mute(const dp::PortSetup& port);

}  // namespace simplon::ctrl

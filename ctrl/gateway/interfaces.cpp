// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/interfaces.h"

#include <algorithm>
#include <iterator>

#include "ctrl/config/config.h"
#include "dp/device/pci.h"

namespace simplon::ctrl {

std::vector<std::string> interfaces_to_mute(const dp::PortSetup& port) {
  std::vector<std::string> out;
  for (const std::string& device : port.devices()) {
    std::ranges::copy(shared_interfaces(device), std::back_inserter(out));
    std::ranges::copy(dp::kernel_interfaces(device, dp::kernel_files()), std::back_inserter(out));
  }
  return out;
}

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// DPDK's memory and its software crypto devices, without ports and without root.
#pragma once

#include <rte_eal.h>

#include <array>
#include <initializer_list>
#include <vector>

namespace simplon::dp::test {

// False: it does not start. `more`: further arguments.
inline bool start_eal(std::initializer_list<const char*> more = {}) {
  std::vector<const char*> args{"dp_test", "--no-huge", "--no-shconf",   "--no-pci",  "--no-telemetry",
                                "-m",      "256",       "--log-level=3", "--lcores=0"};
  args.insert(args.end(), more);
  return rte_eal_init(static_cast<int>(args.size()), const_cast<char**>(args.data())) >= 0;
}

inline constexpr std::initializer_list<const char*> kImbDevices{"--vdev=crypto_aesni_gcm",
                                                                "--vdev=crypto_aesni_mb"};

}  // namespace simplon::dp::test

// SPDX-License-Identifier: Apache-2.0
// The suites that the tables can make.
#pragma once

#include <vector>

#include "dp/base/suite.h"
#include "dp/crypto/backend.h"

namespace simplon::dp::test {

inline std::vector<EspSuite> all_suites() {
  std::vector<EspSuite> out;
  for (const Encr& encr : kEncrs) {
    if (encr.aead()) out.push_back({&encr, nullptr});
    for (const Integ& integ : kIntegs)
      if (const EspSuite suite{&encr, &integ}; suite.valid()) out.push_back(suite);
  }
  return out;
}

// Those that the data path does without a device.
inline std::vector<EspSuite> taken_suites() {
  std::vector<EspSuite> out = all_suites();
  std::erase_if(out, [](const EspSuite& suite) { return !direct_takes(suite); });
  return out;
}

inline std::vector<EspSuite> ah_suites() {
  std::vector<EspSuite> out;
  for (const Integ& integ : kIntegs) out.push_back(ah_suite(integ));
  for (const Integ& integ : kAhGmacs) out.push_back(ah_suite(integ));
  return out;
}

}  // namespace simplon::dp::test

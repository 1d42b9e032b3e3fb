// SPDX-License-Identifier: Apache-2.0
// The data path's tests need DPDK's memory, no ports and no root.
#include <gtest/gtest.h>
#include <rte_eal.h>

#include <array>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  std::array args{"dp_test",
                  "--no-huge",
                  "--no-shconf",
                  "--no-pci",
                  "--no-telemetry",
                  "-m",
                  "256",
                  "--log-level=3",
                  "--lcores=0",
                  "--vdev=crypto_aesni_gcm",
                  "--vdev=crypto_aesni_mb"};
  if (rte_eal_init(args.size(), const_cast<char**>(args.data())) < 0) return 1;
  return RUN_ALL_TESTS();
}

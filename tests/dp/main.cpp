// SPDX-License-Identifier: Apache-2.0
// The data path's tests need DPDK's memory, no ports and no root.
#include <gtest/gtest.h>

#include "tests/dp/eal.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  if (!simplon::dp::test::start_eal(simplon::dp::test::kImbDevices)) return 1;
  return RUN_ALL_TESTS();
}

// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "tests/system/own_namespace.h"

// All tests of this binary share one fresh network namespace, which goes with the process.
int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (!::testing::GTEST_FLAG(list_tests) && !simplon::test::enter_own_namespace()) {
    std::fputs("this test needs root, to have a network namespace of its own\n", stderr);
    return 1;
  }
  return RUN_ALL_TESTS();
}

// SPDX-License-Identifier: Apache-2.0
#include "dp/device/buffers.h"

#include <gtest/gtest.h>

namespace simplon::dp::test {
namespace {

TEST(Buffers, WhatWaitsForTheHostHoldsAQuarterAtMost) {
  for (const unsigned buffers : {1024u, 8192u, 16384u, 1u << 20})
    for (std::size_t ports = 1; ports <= 300; ++ports) {
      const unsigned slots = punt_slots(buffers, ports);
      const std::size_t pairs = ports + 1;  // the last one is the tunnel interfaces'
      EXPECT_LE(slots * kPuntRings * pairs, buffers / 4) << buffers << " buffers, " << ports << " ports";
      EXPECT_EQ(slots == 0, fewest_buffers(ports) > buffers) << buffers << ", " << ports;
      EXPECT_TRUE(slots == 0 || std::has_single_bit(slots)) << "rte_ring asks for it";
    }
  EXPECT_EQ(punt_slots(16384, 2), 512u);  // the defaults
  EXPECT_EQ(punt_slots(16384, 17), 64u);
}

}  // namespace
}  // namespace simplon::dp::test

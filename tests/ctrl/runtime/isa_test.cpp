// SPDX-License-Identifier: Apache-2.0
#include "ctrl/runtime/isa.h"

#include <gtest/gtest.h>

namespace simplon::ctrl {
namespace {

constexpr unsigned kWestmere = kIsaPopcnt | kIsaSse42;
constexpr unsigned kIvyBridge = kWestmere | kIsaAvx;
constexpr unsigned kHaswell = kIvyBridge | kIsaAvx2 | kIsaBmi | kIsaBmi2 | kIsaFma;
constexpr unsigned kV4 = kHaswell | kIsaAvx512f | kIsaAvx512bw | kIsaAvx512dq | kIsaAvx512vl;

TEST(Isa, NamesWhatTheProcessorLacks) {
  EXPECT_STREQ(isa_lacking(kHaswell, kWestmere), "AVX2");
  EXPECT_STREQ(isa_lacking(kHaswell, kIvyBridge), "AVX2");
  EXPECT_STREQ(isa_lacking(kV4, kHaswell), "AVX-512F");
  EXPECT_STREQ(isa_lacking(kWestmere, 0), "SSE4.2");
  EXPECT_STREQ(isa_lacking(kHaswell, kHaswell & ~unsigned{kIsaBmi2}), "BMI2");
  EXPECT_EQ(isa_lacking(kHaswell, kHaswell), nullptr);
  EXPECT_EQ(isa_lacking(kWestmere, kV4), nullptr);
  EXPECT_EQ(isa_lacking(0, 0), nullptr);
}

TEST(Isa, ThisProcessorHasWhatThisBuildNeeds) {
  EXPECT_NE(kIsaNeeds, 0u) << "the option isa is for a processor of this century";
  EXPECT_EQ(isa_lacking(kIsaNeeds, isa_here()), nullptr) << "or this test would not run";
}

}  // namespace
}  // namespace simplon::ctrl

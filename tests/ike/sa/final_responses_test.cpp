// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/final_responses.h"

#include <gtest/gtest.h>

namespace simplon::ike::test {
namespace {

using namespace std::chrono_literals;
constexpr Now kStart{1000s};

TEST(Rfc7296_2_1, AFinalResponseIsKeptForHalfAMinute) {
  FinalResponses kept;
  kept.keep(5, {1, 2}, {7}, kStart);
  ASSERT_NE(kept.find(5, Buffer{1, 2}), nullptr);
  EXPECT_EQ(*kept.find(5, Buffer{1, 2}), Buffer{7});
  EXPECT_EQ(kept.find(5, Buffer{1, 3}), nullptr) << "another request";
  EXPECT_EQ(kept.find(6, Buffer{1, 2}), nullptr) << "another IKE SA";
  EXPECT_EQ(kept.deadline(), kStart + 30s);
  kept.expire(kStart + 29s);
  EXPECT_NE(kept.find(5, Buffer{1, 2}), nullptr);
  kept.expire(kStart + 30s);
  EXPECT_EQ(kept.find(5, Buffer{1, 2}), nullptr);
  EXPECT_FALSE(kept.deadline());
}

TEST(Rfc7383_2_6_1, OfAResponseInFragmentsAllIsKept) {
  FinalResponses kept;
  kept.keep(5, Buffer(4096, 1), Buffer(20000, 7), kStart);
  ASSERT_NE(kept.find(5, Buffer(4096, 1)), nullptr);
  EXPECT_EQ(*kept.find(5, Buffer(4096, 1)), Buffer(20000, 7));
}

TEST(Hostile, NeitherNumberNorSizeOfFinalResponsesIsForThePeerToChoose) {
  FinalResponses kept;
  kept.keep(1, Buffer(5000, 1), {7}, kStart);
  EXPECT_EQ(kept.find(1, Buffer(5000, 1)), nullptr);
  for (std::uint64_t spi = 1; spi <= 1025; ++spi) kept.keep(spi, {1}, {7}, kStart);
  EXPECT_EQ(kept.find(1, Buffer{1}), nullptr) << "the oldest goes";
  EXPECT_NE(kept.find(2, Buffer{1}), nullptr);
}

}  // namespace
}  // namespace simplon::ike::test

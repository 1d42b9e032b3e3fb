// SPDX-License-Identifier: Apache-2.0
#include "dp/base/utc.h"

#include <gtest/gtest.h>

#include <limits>

namespace simplon {
namespace {

TEST(UtcText, IsOfTheCalendarOrAQuestionMark) {
  EXPECT_EQ(utc_text(0, "%Y-%m-%d %H:%M UTC"), "1970-01-01 00:00 UTC");
  EXPECT_EQ(utc_text(1'930'000'000, "%Y-%m-%d"), "2031-02-27");
  EXPECT_EQ(utc_text(std::numeric_limits<std::int64_t>::max(), "%Y"), "?");
}

}  // namespace
}  // namespace simplon

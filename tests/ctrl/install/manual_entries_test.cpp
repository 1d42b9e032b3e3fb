// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/manual_entries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace simplon::ctrl::test {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Rfc4301_4_4_2_1, AnSaByHandIsToldOfOnceAtItsSoftLimitAndUntilItGoesAtItsHardOne) {
  ManualEntries entries;
  const ike::Now start{100s};
  const SaRef sa = entries.add(SaSpec{.soft = {.time = 10s}, .hard = {.time = 20s}}, start);
  EXPECT_THAT(entries.aged(start + 9s), IsEmpty());
  const auto soft = entries.aged(start + 10s);
  ASSERT_THAT(soft, SizeIs(1));
  EXPECT_EQ(soft[0].sa, sa);
  EXPECT_FALSE(soft[0].hard);
  EXPECT_THAT(entries.aged(start + 11s), IsEmpty()) << "said once";
  EXPECT_FALSE(entries.reached(sa->id, false)) << "the backend's count is the same limit";
  ASSERT_THAT(entries.aged(start + 20s), SizeIs(1));
  EXPECT_TRUE(entries.aged(start + 20s)[0].hard);
  EXPECT_TRUE(entries.remove(sa->id));
  EXPECT_FALSE(entries.remove(sa->id));
  EXPECT_FALSE(entries.reached(sa->id, true));
  EXPECT_NE(entries.add(SaSpec{}, start)->id, sa->id) << "ids are not used twice";
}

}  // namespace
}  // namespace simplon::ctrl::test

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/runtime/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

namespace simplon::ctrl {
namespace {

using testing::HasSubstr;

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Log, IsOpenedAnewAfterItsFileWasMovedAway) {
  const std::string path = testing::TempDir() + "log_test." + std::to_string(getpid()), moved = path + ".1";
  const auto log = Log::open(Level::kInfo, path);
  ASSERT_TRUE(log) << log.error().what;
  (*log)->info(Category::kDaemon, "before");
  ASSERT_EQ(std::rename(path.c_str(), moved.c_str()), 0);
  ASSERT_TRUE((*log)->reopen(path));
  (*log)->info(Category::kDaemon, "after");
  EXPECT_THAT(content(moved), HasSubstr("info [DMN] before\n"));
  EXPECT_THAT(content(path), HasSubstr("info [DMN] after\n"));
  EXPECT_FALSE((*log)->reopen("/proc/no/such/file"));
  (*log)->info(Category::kDaemon, "still there");
  EXPECT_THAT(content(path), HasSubstr("still there"));
  std::remove(path.c_str());
  std::remove(moved.c_str());
}

}  // namespace
}  // namespace simplon::ctrl

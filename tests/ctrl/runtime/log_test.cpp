// SPDX-License-Identifier: Apache-2.0
#include "ctrl/runtime/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>

namespace simplon::ctrl {
namespace {

using testing::HasSubstr;

constexpr std::chrono::milliseconds kLong{10'000};

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Log, IsOpenedAnewAfterItsFileWasMovedAway) {
  const std::string path = testing::TempDir() + "log_test." + std::to_string(getpid()), moved = path + ".1";
  const auto log = Log::open(Level::kInfo, path);
  ASSERT_TRUE(log) << log.error().what;
  (*log)->info(Category::kDaemon, "before");
  ASSERT_TRUE((*log)->drain(kLong));
  ASSERT_EQ(std::rename(path.c_str(), moved.c_str()), 0);
  const auto target = Log::open_target(path);
  ASSERT_TRUE(target) << target.error().what;
  (*log)->use(**target);
  (*log)->info(Category::kDaemon, "after");
  ASSERT_TRUE((*log)->drain(kLong));
  EXPECT_THAT(content(moved), HasSubstr("info [DMN] before\n"));
  EXPECT_THAT(content(path), HasSubstr("info [DMN] after\n"));
  EXPECT_FALSE(Log::open_target("/proc/no/such/file"));
  (*log)->info(Category::kDaemon, "still there");
  ASSERT_TRUE((*log)->drain(kLong));
  EXPECT_THAT(content(path), HasSubstr("still there"));
  std::remove(path.c_str());
  std::remove(moved.c_str());
}

TEST(Log, OneEntryIsOneLineWhateverIsInIt) {
  const std::string path = testing::TempDir() + "log_line_test." + std::to_string(getpid());
  const auto log = Log::open(Level::kInfo, path);
  ASSERT_TRUE(log) << log.error().what;
  std::string heard;
  (*log)->set_listener([&](const LogEntry& entry) { heard = entry.connection + "|" + entry.text; });
  (*log)->write({Level::kInfo, Category::kIke, "si\ntes", 1, "a\nb\x1b[2J\r\x7f\tc \xc3\xa4"});
  ASSERT_TRUE((*log)->drain(kLong));
  EXPECT_THAT(content(path), testing::EndsWith("info [IKE] <si?tes|1> a?b?[2J???c \xc3\xa4\n"));
  EXPECT_EQ(heard, "si?tes|a?b?[2J???c \xc3\xa4");
  std::remove(path.c_str());
}

// Standard error is this pipe while the log is opened.
std::unique_ptr<Log> log_to(int fd) {
  const int before = dup(STDERR_FILENO);
  dup2(fd, STDERR_FILENO);
  auto log = Log::open(Level::kInfo, "");
  dup2(before, STDERR_FILENO);
  close(before);
  return log ? std::move(*log) : nullptr;
}

constexpr int kFlood = 100'000;

void flood(Log& log) {
  for (int i = 0; i < kFlood; ++i) log.info(Category::kDaemon, "line " + std::to_string(i));
}

// A reader that has stopped costs lines, which are told of when it goes on; it holds up nobody.
TEST(Log, ReaderThatHasStoppedHoldsUpNobody) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  auto log = log_to(ends[1]);
  close(ends[1]);
  ASSERT_TRUE(log);
  flood(*log);  // comes back
  std::string read_back;
  const auto read_some = [&] {
    char part[65536];
    const ssize_t n = read(ends[0], part, sizeof part);
    if (n > 0) read_back.append(part, static_cast<std::size_t>(n));
    return n > 0;
  };
  // Of what is under way it is not known whether it is in the pipe yet, nor whether the pipe has room for it.
  const auto read_all = [&] {
    pollfd ready{.fd = ends[0], .events = POLLIN, .revents = 0};
    const auto end = std::chrono::steady_clock::now() + kLong;
    while (!log->drain(std::chrono::milliseconds(1))) {
      if (std::chrono::steady_clock::now() > end) return false;
      if (poll(&ready, 1, 0) > 0 && !read_some()) return false;
    }
    return true;
  };
  ASSERT_TRUE(read_all());
  log->info(Category::kDaemon, "the last");
  ASSERT_TRUE(read_all());
  log.reset();
  while (read_some()) {
  }
  close(ends[0]);
  EXPECT_THAT(read_back, HasSubstr("[DMN] line 0\n"));
  const std::size_t told = read_back.find(" lines of the log were lost: its reader was too slow\n");
  ASSERT_NE(told, std::string::npos);
  EXPECT_THAT(read_back, HasSubstr("[DMN] the last\n"));
  const std::size_t number = read_back.rfind("[DMN] ", told) + 6;
  const auto written = std::ranges::count(read_back, '\n') - 2;  // without the last and this one
  EXPECT_EQ(std::stoi(read_back.substr(number)) + written, kFlood) << "each line is there or counted";
}

TEST(Log, EndsWhileItsReaderHasStopped) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  auto log = log_to(ends[1]);
  close(ends[1]);
  ASSERT_TRUE(log);
  flood(*log);
  log.reset();  // comes back; the thread that writes ends with the reader
  close(ends[0]);
}

TEST(Log, FullDiskIsToldWhenItHasRoomAgain) {
  const auto log = Log::open(Level::kInfo, "/dev/full");
  ASSERT_TRUE(log);
  for (int i = 0; i < 3; ++i) (*log)->info(Category::kDaemon, "lost");
  ASSERT_TRUE((*log)->drain(kLong));
  const std::string path = testing::TempDir() + "full_test." + std::to_string(getpid());
  const auto target = Log::open_target(path);
  ASSERT_TRUE(target) << target.error().what;
  (*log)->use(**target);
  (*log)->info(Category::kDaemon, "after");
  ASSERT_TRUE((*log)->drain(kLong));
  EXPECT_THAT(content(path), HasSubstr("3 lines of the log were lost: No space left on device\n"));
  EXPECT_THAT(content(path), HasSubstr("info [DMN] after\n"));
  std::remove(path.c_str());
}

}  // namespace
}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// A fresh network namespace for a test process, and the ways to look at it from outside the code under test.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

namespace simplon::test {

// The command's status as wait() tells it, -1 when it could not be run, and what it printed.
inline std::pair<int, std::string> status_and_output(const std::string& command) {
  FILE* pipe = popen(("{ " + command + "; } 2>&1").c_str(), "r");
  if (!pipe) return {-1, "popen failed"};
  std::string out;
  std::array<char, 4096> part;
  while (const std::size_t n = fread(part.data(), 1, part.size(), pipe)) out.append(part.data(), n);
  return {pclose(pipe), out};
}

// What the command prints; fails the test when it does not succeed.
inline std::string shell(const std::string& command) {
  const auto [status, out] = status_and_output(command);
  EXPECT_EQ(status, 0) << command << ": " << out;
  return out;
}

// Runs the command; its status and output are the failure's text.
inline ::testing::AssertionResult runs(const std::string& command) {
  const auto [status, out] = status_and_output(command);
  if (status == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << command << ": status " << status << ": " << out;
}

inline bool enter_own_namespace() { return unshare(CLONE_NEWNET) == 0 && bool(runs("ip link set lo up")); }

// Calls `done` whenever the descriptor is readable (and now and then anyway) until it is true.
template <class Done>
bool wait_for(int fd, Done done, std::chrono::milliseconds most = std::chrono::seconds(10)) {
  const auto end = std::chrono::steady_clock::now() + most;
  for (;;) {
    if (done()) return true;
    if (std::chrono::steady_clock::now() >= end) return false;
    pollfd p{fd, POLLIN, 0};
    poll(&p, 1, 50);
  }
}

}  // namespace simplon::test

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/process.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace simplon::ctrl {

// glibc has it from 2.36 on, and Debian 12's headers do not declare it for C++.
int open_process(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

// A thread's schedstat: how long it ran, how long it waited, how often it was put on a processor.
std::chrono::nanoseconds waited_for_processor(pid_t pid) {
  std::chrono::nanoseconds sum{0};
  std::error_code none;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", none)) {
    std::int64_t ran = 0, waited = 0;
    if (std::ifstream(task.path() / "schedstat") >> ran >> waited) sum += std::chrono::nanoseconds(waited);
  }
  return sum;
}

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/runtime/crash.h"

#include <execinfo.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string_view>

namespace simplon::ctrl {
namespace {

constexpr std::array kFaults{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
constexpr int kFrames = 64;
std::array<std::byte, 64 << 10> stack;  // of the thread that made it: its own may be what is full

void put(std::string_view text) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, text.data(), text.size());
}

void put(long number) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.begin(), digits.end(), number);
  put(std::string_view(digits.data(), end.ptr));
}

// Calls what may be called in a handler, and then dies of the same signal, for whoever waits for the process.
// A fault in here ends it at once (SA_RESETHAND).
void tell(int signal) {
  std::array<char, 16> thread{};
  prctl(PR_GET_NAME, thread.data());
  put("simplond: signal ");
  put(signal);
  put(" in thread ");
  put(thread.data());
  put(" (");
  put(syscall(SYS_gettid));
  put("); backtrace:\n");
  std::array<void*, kFrames> frames{};
  backtrace_symbols_fd(frames.data(), backtrace(frames.data(), kFrames), STDERR_FILENO);
  put("simplond: end of the backtrace\n");
  raise(signal);
}

}  // namespace

void tell_crashes() {
  prctl(PR_SET_DUMPABLE, 0);
  std::array<void*, 1> frame{};
  backtrace(frame.data(), 1);  // loads what unwinds, which a handler may not
  const stack_t own{.ss_sp = stack.data(), .ss_flags = 0, .ss_size = stack.size()};
  sigaltstack(&own, nullptr);
  struct sigaction action{};
  action.sa_handler = tell;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_ONSTACK;
  for (const int signal : kFaults) sigaction(signal, &action, nullptr);
}

}  // namespace simplon::ctrl

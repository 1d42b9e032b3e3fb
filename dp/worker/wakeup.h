// SPDX-License-Identifier: Apache-2.0
// How the control thread is woken.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace simplon::dp {

// `asleep` is set while the control thread sleeps. Whoever clears it writes the eventfd: a worker, or DPDK's
// interrupt thread.
struct Wakeup {
  std::atomic<bool> asleep{false};
  int fd = -1;

  void wake() {
    if (!asleep.exchange(false)) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = write(fd, &one, sizeof one);
  }
};

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// How a worker wakes the control thread.
#pragma once

#include <atomic>

namespace simplon::dp {

// `asleep` is set while the control thread sleeps. The worker that clears it writes the eventfd.
struct Wakeup {
  std::atomic<bool> asleep{false};
  int fd = -1;
};

}  // namespace simplon::dp

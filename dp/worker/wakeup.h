// How a worker wakes the control thread.
#pragma once

#include <atomic>

namespace simplon::dp {

// Set while the control thread sleeps; whoever clears it writes the eventfd.
struct Wakeup {
  std::atomic<bool> asleep{false};
  int fd = -1;
};

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// Tries suites in the kernel (ctrl/backend/xfrm/trial.h) while the control thread goes on: what the kernel
// has as a module it looks for on a disk, and waits for a process that loads it.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "ctrl/backend/xfrm/trial.h"

namespace simplon::ctrl {

// Control thread; a thread of its own does the work, by this socket. The destructor waits for the trial that
// it is in.
class SuiteTrials {
 public:
  using Done = std::pair<KernelSuite, Result<void>>;

  explicit SuiteTrials(Netlink requests)
      : requests_(std::move(requests)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

  void ask(const SaRef& sa);
  // What has been tried since the last call.
  std::vector<Done> take();

 private:
  void run(const std::stop_token& stop);

  Netlink requests_;  // the thread's
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<SaRef> asked_;
  std::vector<Done> done_;
  std::jthread thread_;  // last: it uses all of these
};

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// A few threads for the public-key work that the IKE endpoint hands out (ike/crypto/job.h), so that one slow
// exchange never holds up another. submit() and take() are the control thread's; results come back in the
// order they were finished.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "ike/crypto/job.h"

namespace simplon::ctrl {

class JobPool {
 public:
  explicit JobPool(unsigned threads);
  ~JobPool();  // jobs that were not begun are dropped
  JobPool(const JobPool&) = delete;
  JobPool& operator=(const JobPool&) = delete;

  void submit(ike::Job job);
  std::optional<ike::JobResult> take();
  int fd() const { return wake_; }  // readable when take() has something
  std::size_t queued();
  std::size_t threads() const { return threads_.size(); }

 private:
  void work(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any ready_;
  std::deque<ike::Job> jobs_;
  std::deque<ike::JobResult> results_;
  int wake_;
  std::vector<std::jthread> threads_;  // last: joined before what they use goes
};

}  // namespace simplon::ctrl

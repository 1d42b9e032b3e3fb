// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/suite_trials.h"

namespace simplon::ctrl {

void SuiteTrials::ask(const SaRef& sa) {
  {
    const std::scoped_lock lock(mutex_);
    asked_.push_back(sa);
  }
  changed_.notify_one();
}

std::vector<SuiteTrials::Done> SuiteTrials::take() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(done_, {});
}

void SuiteTrials::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !asked_.empty(); }) && !stop.stop_requested()) {
    const SaRef sa = std::move(asked_.front());
    asked_.pop_front();
    lock.unlock();
    auto done = try_suite(requests_, *sa, TrialFor::kStandby);
    lock.lock();
    done_.emplace_back(kernel_suite(*sa), std::move(done));
  }
}

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/runtime/job_pool.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>

// g++ 12 follows a moved variant without a value into the storage of its only alternative.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

namespace simplon::ctrl {

JobPool::JobPool(unsigned threads) : wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  // Signals are the control thread's: the pool's threads inherit a mask that blocks them all.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (unsigned i = 0; i < threads; ++i)
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

JobPool::~JobPool() {
  for (std::jthread& t : threads_) t.request_stop();
  threads_.clear();
  close(wake_);
}

void JobPool::submit(ike::Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  ready_.notify_one();
}

std::optional<ike::JobResult> JobPool::take() {
  const std::lock_guard lock(mutex_);
  if (results_.empty()) {
    std::uint64_t count;
    [[maybe_unused]] const ssize_t n = read(wake_, &count, sizeof count);
    return std::nullopt;
  }
  std::optional<ike::JobResult> result(std::move(results_.front()));
  results_.pop_front();
  return result;
}

std::size_t JobPool::queued() {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

void JobPool::work(const std::stop_token& stop) {
  for (;;) {
    std::unique_lock lock(mutex_);
    if (!ready_.wait(lock, stop, [this] { return !jobs_.empty(); })) return;
    const ike::Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    ike::JobResult result = ike::run(job);
    lock.lock();
    results_.push_back(std::move(result));
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = write(wake_, &one, sizeof one);
  }
}

}  // namespace simplon::ctrl

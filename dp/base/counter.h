// SPDX-License-Identifier: Apache-2.0
// A number that one thread writes and others read at any time: a worker's counters, an SA's, an MTU. Reading
// it never tears and is no data race; writing costs what a plain integer costs. What was written just now may
// be missing, and two numbers do not belong to the same moment.
#pragma once

#include <atomic>
#include <cstdint>

namespace simplon::dp {

template <class T>
class OneWriter {
 public:
  OneWriter() = default;
  explicit(false) OneWriter(T n) : n_(n) {}
  OneWriter(const OneWriter& other) : n_(other.get()) {}
  OneWriter& operator=(const OneWriter& other) { return *this = other.get(); }
  OneWriter& operator=(T n) {
    n_.store(n, std::memory_order_relaxed);
    return *this;
  }

  T get() const { return n_.load(std::memory_order_relaxed); }
  explicit(false) operator T() const { return get(); }

  // The one writer's: no other write comes between.
  OneWriter& operator+=(T more) { return *this = get() + more; }
  OneWriter& operator++() { return *this += 1; }

 private:
  std::atomic<T> n_{T{}};
};
using Counter = OneWriter<std::uint64_t>;
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(Counter) == 8);

// That something was used since it was last asked. Any threads set it, one takes it; as long as nobody takes
// it, to set it again costs a load.
class UseMark {
 public:
  UseMark() = default;
  UseMark(const UseMark& other) : used_(other.used_.load(std::memory_order_relaxed)) {}
  UseMark& operator=(const UseMark&) = delete;

  void set() {
    if (!used_.load(std::memory_order_relaxed)) used_.store(true, std::memory_order_relaxed);
  }
  bool take() {
    return used_.load(std::memory_order_relaxed) && used_.exchange(false, std::memory_order_relaxed);
  }

 private:
  std::atomic<bool> used_{false};
};

}  // namespace simplon::dp

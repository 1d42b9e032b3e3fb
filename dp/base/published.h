// SPDX-License-Identifier: Apache-2.0
// One immutable T, replaced whole. Any number of readers, one writer (the control thread). The only file of
// the project with memory orders, beside the relaxed ones of dp/base/counter.h.
//
// read() may be called by a registered worker; what it returns dies at that worker's next
// Quiescence::report(). publish() hands the old T back to the writer, who destroys it after a grace period
// (dp/tables/quiescence.h).
#pragma once

#include <atomic>
#include <cstdint>

namespace simplon::dp {

template <class T>
class Published {
 public:
  Published() = default;
  explicit Published(T* first) : current_(first) {}
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  T* read() const { return current_.load(std::memory_order_acquire); }
  T* publish(T* next) { return current_.exchange(next, std::memory_order_acq_rel); }

 private:
  std::atomic<T*> current_{nullptr};
};

// Open or closed: one writer, the control thread; any number of readers. After set(false) and a grace period
// no worker is behind it any more.
class Gate {
 public:
  explicit constexpr Gate(bool open) : open_(open) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  bool is_open() const { return open_.load(std::memory_order_acquire); }
  void set(bool open) { open_.store(open, std::memory_order_release); }

 private:
  std::atomic<bool> open_;
};
inline constinit Gate kAlwaysOpen{true};

// A number that one thread, its reader, compares with at every packet, so that it takes its slow path when
// the number is reached. Another thread may trip it: then the next comparison takes the slow path as well,
// where the reader sees what the other had published before. To be heard by it costs the reader nothing.
class Threshold {
 public:
  explicit(false) Threshold(std::uint64_t n) : n_(n) {}
  Threshold(const Threshold&) = delete;
  Threshold& operator=(const Threshold&) = delete;

  explicit(false) operator std::uint64_t() const { return n_.load(std::memory_order_relaxed); }
  // The reader's, on its slow path, before it looks for what was published. A trip that comes later stays.
  void set(std::uint64_t next) { n_.exchange(next, std::memory_order_acq_rel); }
  void trip() { n_.store(0, std::memory_order_release); }

 private:
  std::atomic<std::uint64_t> n_;
};

// Items from one thread to another, which takes all that there are at once; each stands in at most one, by
// its member `next`. A look into an empty one is a load. Whoever takes them is done with an item before it
// ends.
template <class T>
class Inbox {
 public:
  Inbox() = default;
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  void put(T& item) {
    item.next = last_.load(std::memory_order_relaxed);
    while (!last_.compare_exchange_weak(item.next, &item, std::memory_order_release,
                                        std::memory_order_relaxed)) {
    }
  }
  bool empty() const { return last_.load(std::memory_order_relaxed) == nullptr; }
  // A list by `next`, in the order in which they were put; null: there is none.
  T* take() {
    T *in_order = nullptr, *rest = last_.exchange(nullptr, std::memory_order_acquire);
    while (rest != nullptr) {
      T* const item = rest;
      rest = item->next;
      item->next = in_order;
      in_order = item;
    }
    return in_order;
  }

 private:
  std::atomic<T*> last_{nullptr};
};

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// Waits for descriptors and calls what was registered for them. Control thread only.
#pragma once

#include <chrono>
#include <functional>
#include <map>

namespace simplon::ctrl {

class Poller {
 public:
  using Ready = std::function<void()>;

  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Calls `ready` as long as there is something to read (level triggered). The caller keeps `fd` open.
  void add(int fd, Ready ready);
  void remove(int fd);
  // Waits at most `most`, below zero not at all, then calls those that are ready. They may call add().
  void wait(std::chrono::milliseconds most);

 private:
  int epoll_;
  std::map<int, Ready> ready_;
};

}  // namespace simplon::ctrl

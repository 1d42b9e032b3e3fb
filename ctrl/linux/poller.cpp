// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/poller.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace simplon::ctrl {

Poller::Poller() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
Poller::~Poller() { close(epoll_); }

void Poller::add(int fd, Ready ready) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  ready_[fd] = std::move(ready);
}

void Poller::remove(int fd) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  ready_.erase(fd);
}

void Poller::wait(std::chrono::milliseconds most) {
  std::array<epoll_event, 32> events;
  const int n = epoll_wait(epoll_, events.data(), events.size(),
                           static_cast<int>(std::max<std::int64_t>(most.count(), 0)));
  for (int i = 0; i < n; ++i) {
    const auto found = ready_.find(events[static_cast<std::size_t>(i)].data.fd);
    if (found == ready_.end()) continue;
    found->second();  // it may add others
  }
}

}  // namespace simplon::ctrl

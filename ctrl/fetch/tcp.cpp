// SPDX-License-Identifier: Apache-2.0
#include "ctrl/fetch/tcp.h"

#include <poll.h>
#include <resolv.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace simplon::ctrl {
namespace {

using std::chrono::milliseconds;

constexpr int kResolverSeconds = 2;  // for one try at one of its servers

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

// The resolver's settings are the thread's own. They are made anew each time, for /etc/resolv.conf may have
// changed, and its patience is far too long. (Over those that are there glibc would put its own the next
// time.)
Result<Addresses> resolve(const std::string& host, const std::string& port) {
  if ((_res.options & RES_INIT) != 0) res_nclose(&_res);  // of a new thread it would close descriptor 0
  _res = {};
  if (res_ninit(&_res) != 0) return fail("there is no resolver");
  _res.retrans = kResolverSeconds;
  _res.retry = 1;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (const int failed = getaddrinfo(host.c_str(), port.c_str(), &hints, &list); failed != 0)
    return fail("has a name that is not resolved: " + std::string(gai_strerror(failed)));
  return Addresses(list);
}

std::string why(int error) { return std::strerror(error); }

}  // namespace

TcpConnection::~TcpConnection() {
  if (fd_ >= 0) close(fd_);
}

Result<void> TcpConnection::wait(short events, Clock::time_point until) const {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
    if (left <= milliseconds::zero()) return fail("does not answer in time");
    std::array<pollfd, 2> both{pollfd{fd_, events, 0}, pollfd{bounds_.cut, POLLIN, 0}};
    const int ready = poll(both.data(), both.size(), static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return fail("is not waited for: " + why(errno));
    if (ready <= 0) continue;
    if (both[1].revents != 0) return fail("is not waited for: the gateway ends");
    return {};
  }
}

Result<TcpConnection> TcpConnection::connect(const addrinfo& to, const Bounds& bounds,
                                             Clock::time_point until) {
  TcpConnection made(socket(to.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), bounds);
  if (made.fd_ < 0) return fail("there is no socket for it: " + why(errno));
  if (::connect(made.fd_, to.ai_addr, to.ai_addrlen) == 0) return made;
  if (errno != EINPROGRESS) return fail("is not reached: " + why(errno));
  if (auto done = made.wait(POLLOUT, until); !done) return std::unexpected(done.error());
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(made.fd_, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return fail("is not reached: " + why(error));
  return made;
}

Result<TcpConnection> TcpConnection::open(const std::string& host, const std::string& port,
                                          const Bounds& bounds) {
  const auto addresses = resolve(host, port);
  if (!addresses) return std::unexpected(addresses.error());
  int left = 0;
  for (const addrinfo* one = addresses->get(); one != nullptr; one = one->ai_next) ++left;
  const Clock::time_point last = std::min(bounds.connected, bounds.end);
  Result<TcpConnection> made = fail("its name has no address");
  for (const addrinfo* one = addresses->get(); one != nullptr; one = one->ai_next, --left) {
    const Clock::time_point now = Clock::now();
    auto next = connect(*one, bounds, now + (last - now) / left);
    if (next) return next;
    made = std::unexpected(next.error());
  }
  return made;
}

Result<void> TcpConnection::send(Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN || errno == EINTR) {
      if (auto done = wait(POLLOUT, bounds_.end); !done) return done;
    } else {
      return fail("breaks off: " + why(errno));
    }
  }
  return {};
}

// It waits before each octet: whoever sends without end is not listened to beyond the end.
Result<std::size_t> TcpConnection::receive(MutableBytes into) {
  for (;;) {
    if (auto done = wait(POLLIN, bounds_.end); !done) return std::unexpected(done.error());
    const ssize_t n = recv(fd_, into.data(), into.size(), 0);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EAGAIN && errno != EINTR) return fail("breaks off: " + why(errno));
  }
}

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// A TCP connection to a server by its name: of the kernel, in the namespace the process runs in. It waits no
// longer than it is told, and not at all once `cut` is readable. Any one thread.
#pragma once

#include <netdb.h>

#include <chrono>
#include <string>
#include <utility>

#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

class TcpConnection {
 public:
  using Clock = std::chrono::steady_clock;
  struct Bounds {
    Clock::time_point connected;  // until when there must be a connection
    Clock::time_point end;        // until when everything must be done
    int cut = -1;                 // a descriptor; -1: nobody breaks off
  };

  // Tries the addresses of the name in their order; the time is shared out among them. The name itself is
  // asked for once at each of the resolver's servers, for 2 s at most: that alone is not broken off.
  static Result<TcpConnection> open(const std::string& host, const std::string& port, const Bounds& bounds);
  ~TcpConnection();
  TcpConnection(TcpConnection&& other) noexcept : fd_(std::exchange(other.fd_, -1)), bounds_(other.bounds_) {}
  TcpConnection& operator=(TcpConnection&&) = delete;

  Result<void> send(Bytes bytes);  // all of them
  // How many octets came, one at least; 0: the server has closed.
  Result<std::size_t> receive(MutableBytes into);

 private:
  TcpConnection(int fd, const Bounds& bounds) : fd_(fd), bounds_(bounds) {}
  static Result<TcpConnection> connect(const addrinfo& to, const Bounds& bounds, Clock::time_point until);
  Result<void> wait(short events, Clock::time_point until) const;

  int fd_;
  Bounds bounds_;
};

}  // namespace simplon::ctrl

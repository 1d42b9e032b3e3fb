// SPDX-License-Identifier: Apache-2.0
// The UDP sockets of RADIUS behind an interface, so that tests need no network. Nothing here waits. Control
// thread.
#pragma once

#include <optional>

#include "dp/base/address.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

class RadiusSockets {
 public:
  virtual ~RadiusSockets() = default;
  // One that hears only `remote`, from a port that the kernel takes; of `source`, if there is one. The number
  // stands for it until close().
  virtual Result<int> connect(const SocketAddress& remote, const std::optional<IpAddress>& source) = 0;
  // One that hears everybody.
  virtual Result<int> listen(const SocketAddress& local) = 0;
  virtual void close(int socket) = 0;
  // What cannot be sent is lost like any datagram. `to`: none with connect().
  virtual void send(int socket, const std::optional<SocketAddress>& to, Bytes bytes) = 0;

  struct Received {
    int socket = -1;
    SocketAddress from;
    Buffer bytes;
  };
  // The next datagram of any of them; none when there is no more.
  virtual std::optional<Received> receive() = 0;
};

// Those of the kernel, in the namespace the process runs in.
class UdpSockets final : public RadiusSockets {
 public:
  UdpSockets();
  ~UdpSockets() override;
  UdpSockets(const UdpSockets&) = delete;
  UdpSockets& operator=(const UdpSockets&) = delete;

  Result<int> connect(const SocketAddress& remote, const std::optional<IpAddress>& source) override;
  Result<int> listen(const SocketAddress& local) override;
  void close(int socket) override;
  void send(int socket, const std::optional<SocketAddress>& to, Bytes bytes) override;
  std::optional<Received> receive() override;

  int fd() const { return epoll_; }  // readable when receive() may have something
  std::optional<SocketAddress> local(int socket) const;

 private:
  Result<int> open(const SocketAddress& local);

  int epoll_;
};

}  // namespace simplon::ctrl

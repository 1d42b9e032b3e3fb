// SPDX-License-Identifier: Apache-2.0
// IKE's UDP sockets: ports 500 and 4500 of both families, in the namespace the process runs in. Control
// thread only.
//
// On port 4500 the non-ESP marker (RFC 3948 §2.2) is added and stripped here, so that ike/ never sees it.
// UDP-encapsulated ESP is for the data path or the kernel; packets of it that arrive here are ignored.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "dp/base/result.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

class IkeSockets {
 public:
  // kernel_esp: XFRM policies do not apply to the sockets, and the kernel takes ESP in UDP out of them
  // (ctrl/linux/xfrm_socket.h).
  static Result<IkeSockets> open(bool kernel_esp);
  // Those that another process has opened, in the order of release().
  static IkeSockets adopt(const std::vector<int>& fds);
  // As open(true) does it, and the end of that.
  Result<void> prepare_for_kernel();
  void leave_kernel();
  // v4 500, v4 4500, v6 500, v6 4500; -1: none. The caller's from now on.
  std::vector<int> release();
  IkeSockets(IkeSockets&& from) noexcept : fds_(from.fds_) { from.fds_.fill(-1); }
  IkeSockets& operator=(IkeSockets&&) = delete;
  ~IkeSockets();

  std::vector<int> fds() const;  // those of IPv6 are missing where the kernel has none
  // The next datagram of this socket; none when there is no more. Datagrams that are no IKE message are
  // skipped. One call skips a bounded number; then it returns none, and the socket is still readable.
  std::optional<ike::Datagram> receive(int fd);
  // Whoever calls may ignore an error: the exchange retransmits.
  Result<void> send(const ike::Datagram& datagram);
  Result<void> send(const ike::Keepalive& keepalive);

 private:
  Result<void> send(const SocketAddress& local, const SocketAddress& remote, Bytes marker, Bytes bytes);
  IkeSockets() { fds_.fill(-1); }
  std::array<int, 4> fds_;  // v4 500, v4 4500, v6 500, v6 4500; -1: none
};

}  // namespace simplon::ctrl

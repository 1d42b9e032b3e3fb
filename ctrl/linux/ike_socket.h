// IKE's UDP sockets: ports 500 and 4500 of both families, in the namespace the process runs in. Control
// thread only.
//
// On port 4500 the non-ESP marker (RFC 3948 §2.2) is added and stripped here, so that ike/ never sees it.
// UDP-encapsulated ESP belongs to the data path or the kernel; what of it still arrives here is ignored.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "dp/base/result.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

class IkeSockets {
 public:
  // kernel_esp: the sockets are exempted from XFRM policies and take ESP in UDP for the kernel
  // (ctrl/linux/xfrm_socket.h).
  static Result<IkeSockets> open(bool kernel_esp);
  IkeSockets(IkeSockets&& from) noexcept : fds_(from.fds_) { from.fds_.fill(-1); }
  IkeSockets& operator=(IkeSockets&&) = delete;
  ~IkeSockets();

  std::vector<int> fds() const;  // those of IPv6 are missing where the kernel has none
  // The next datagram of this socket; none when there is no more. What is no IKE message is skipped, a
  // bounded number of them in one call: then the socket is still readable.
  std::optional<ike::Datagram> receive(int fd);
  // Errors are the network's: the exchange retransmits.
  Result<void> send(const ike::Datagram& datagram);
  Result<void> send(const ike::Keepalive& keepalive);

 private:
  Result<void> send(const SocketAddress& local, const SocketAddress& remote, Bytes marker, Bytes bytes);
  IkeSockets() { fds_.fill(-1); }
  std::array<int, 4> fds_;  // v4 500, v4 4500, v6 500, v6 4500; -1: none
};

}  // namespace simplon::ctrl

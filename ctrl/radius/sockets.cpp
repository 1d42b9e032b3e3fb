// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/sockets.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "ctrl/linux/socket_address.h"

namespace simplon::ctrl {
namespace {

// One more than the largest packet: what does not fit is none.
constexpr std::size_t kLargestDatagram = 4096 + 1;
constexpr int kMostSkipped = 64;  // sockets that had an error alone, in one call

std::string why() { return std::strerror(errno); }

}  // namespace

UdpSockets::UdpSockets() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

UdpSockets::~UdpSockets() { ::close(epoll_); }

Result<int> UdpSockets::open(const SocketAddress& local) {
  const bool v4 = local.address.is_v4();
  const int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail("a socket for RADIUS: " + why());
  const int on = 1;
  if (!v4) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  // Where we listen, the gateway that is to be replaced by this process does until it ends.
  if (local.port != Port{0}) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  socklen_t length = 0;
  const AnySocketAddress any = to_kernel(local, length);
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  if (bind(fd, &any.any, length) == 0 && epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0) return fd;
  auto failed = fail("a socket for RADIUS at " + local.text() + ": " + why());
  ::close(fd);
  return failed;
}

Result<int> UdpSockets::connect(const SocketAddress& remote, const std::optional<IpAddress>& source) {
  const auto fd = open({source.value_or(IpAddress::any(remote.address.family())), Port{0}});
  if (!fd) return fd;
  socklen_t length = 0;
  const AnySocketAddress to = to_kernel(remote, length);
  if (::connect(*fd, &to.any, length) == 0) return fd;
  auto failed = fail("RADIUS server " + remote.text() + ": " + why());
  ::close(*fd);
  return failed;
}

Result<int> UdpSockets::listen(const SocketAddress& local) { return open(local); }

void UdpSockets::close(int socket) { ::close(socket); }

void UdpSockets::send(int socket, const std::optional<SocketAddress>& to, Bytes bytes) {
  socklen_t length = 0;
  const AnySocketAddress address = to ? to_kernel(*to, length) : AnySocketAddress{};
  [[maybe_unused]] const ssize_t lost =
      sendto(socket, bytes.data(), bytes.size(), 0, to ? &address.any : nullptr, length);
}

// An error that a datagram of ours met, like a port where nobody listens, is taken off the socket and counts
// for nothing: anybody on the way can make one.
std::optional<RadiusSockets::Received> UdpSockets::receive() {
  std::array<std::uint8_t, kLargestDatagram> buffer;
  for (int skipped = 0; skipped < kMostSkipped; ++skipped) {
    epoll_event event{};
    if (epoll_wait(epoll_, &event, 1, 0) != 1) return std::nullopt;
    AnySocketAddress from{};
    socklen_t length = sizeof from;
    const ssize_t n = recvfrom(event.data.fd, buffer.data(), buffer.size(), 0, &from.any, &length);
    if (n < 0) continue;
    return Received{event.data.fd, from_kernel(from), Buffer(buffer.begin(), buffer.begin() + n)};
  }
  return std::nullopt;
}

std::optional<SocketAddress> UdpSockets::local(int socket) const {
  AnySocketAddress address{};
  socklen_t length = sizeof address;
  if (getsockname(socket, &address.any, &length) != 0) return std::nullopt;
  return from_kernel(address);
}

}  // namespace simplon::ctrl

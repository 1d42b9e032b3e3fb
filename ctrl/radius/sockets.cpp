// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/sockets.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace simplon::ctrl {
namespace {

// One more than the largest packet: what does not fit is none.
constexpr std::size_t kLargestDatagram = 4096 + 1;
constexpr int kMostSkipped = 64;  // sockets that had an error alone, in one call

union AnySocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

AnySocketAddress to_kernel(const SocketAddress& from, socklen_t& length) {
  AnySocketAddress out{};
  const in_port_t port = htons(static_cast<std::uint16_t>(from.port));
  if (from.address.is_v4()) {
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = port;
    std::memcpy(&out.v4.sin_addr, from.address.bytes().data(), 4);
    length = sizeof out.v4;
  } else {
    out.v6.sin6_family = AF_INET6;
    out.v6.sin6_port = port;
    std::memcpy(&out.v6.sin6_addr, from.address.bytes().data(), 16);
    length = sizeof out.v6;
  }
  return out;
}

SocketAddress from_kernel(const AnySocketAddress& from) {
  const bool v4 = from.any.sa_family == AF_INET;
  const auto* raw = v4 ? reinterpret_cast<const std::uint8_t*>(&from.v4.sin_addr)
                       : reinterpret_cast<const std::uint8_t*>(&from.v6.sin6_addr);
  const in_port_t port = v4 ? from.v4.sin_port : from.v6.sin6_port;
  return {*IpAddress::from_bytes(Bytes(raw, v4 ? 4 : 16)), Port{ntohs(port)}};
}

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

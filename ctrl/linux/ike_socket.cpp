// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/ike_socket.h"

#include <fcntl.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "ctrl/linux/socket_address.h"
#include "ctrl/linux/xfrm_socket.h"

namespace simplon::ctrl {
namespace {

constexpr std::size_t kLargestDatagram = 65535;
constexpr int kMostSkipped = 64;         // datagrams that are no IKE message, in one call
constexpr std::size_t kMarkerBytes = 4;  // RFC 3948 §2.2

// Returns -1 when this kernel has no IPv6.
Result<int> open_one(Family family, Port port, bool kernel_esp) {
  const bool v4 = family == Family::kV4;
  const std::string what =
      std::string("UDP port ") + std::to_string(static_cast<unsigned>(port)) + (v4 ? " (IPv4)" : " (IPv6)");
  const int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 && !v4 && errno == EAFNOSUPPORT) return -1;
  if (fd < 0) return fail(what + ": " + std::strerror(errno));
  const int on = 1;
  if (v4) {
    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  } else {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  }
  socklen_t length = 0;
  const AnySocketAddress any = to_kernel({IpAddress::any(family), port}, length);
  if (bind(fd, &any.any, length) < 0) {
    const std::string why = std::strerror(errno);
    close(fd);
    return fail(what + ": " + why + "; is another IKE daemon running here?");
  }
  if (kernel_esp)
    if (auto done = prepare_for_kernel_esp(fd, family, port == kNatTraversalPort); !done) {
      close(fd);
      return fail(what + ": " + done.error().what);
    }
  return fd;
}

// The address the datagram was sent to, from the packet-info control message.
std::optional<IpAddress> local_address(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      return IpAddress::from_bytes(Bytes(reinterpret_cast<const std::uint8_t*>(&info.ipi_addr), 4));
    }
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      return IpAddress::from_bytes(Bytes(reinterpret_cast<const std::uint8_t*>(&info.ipi6_addr), 16));
    }
  }
  return std::nullopt;
}

template <class Info>
void set_source(msghdr& message, int level, int type, const Info& info) {
  cmsghdr* c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(c), &info, sizeof info);
  message.msg_controllen = CMSG_SPACE(sizeof info);
}

void set_source(msghdr& message, const IpAddress& local) {
  if (local.is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, local.bytes().data(), 4);
    set_source(message, IPPROTO_IP, IP_PKTINFO, info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, local.bytes().data(), 16);
    set_source(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

}  // namespace

Result<IkeSockets> IkeSockets::open(bool kernel_esp) {
  IkeSockets sockets;
  std::size_t i = 0;
  for (const Family family : {Family::kV4, Family::kV6})
    for (const Port port : {kIkePort, kNatTraversalPort}) {
      const Result<int> fd = open_one(family, port, kernel_esp);
      if (!fd) return std::unexpected(fd.error());
      sockets.fds_[i++] = *fd;
    }
  return sockets;
}

IkeSockets IkeSockets::adopt(const std::vector<int>& fds) {
  IkeSockets sockets;
  for (std::size_t i = 0; i < std::min(fds.size(), sockets.fds_.size()); ++i) {
    sockets.fds_[i] = fds[i];
    if (fds[i] >= 0) fcntl(fds[i], F_SETFD, FD_CLOEXEC);
  }
  return sockets;
}

void IkeSockets::leave_kernel() {
  const int off = 0;
  for (std::size_t i = 1; i < fds_.size(); i += 2)
    if (fds_[i] >= 0) setsockopt(fds_[i], IPPROTO_UDP, UDP_ENCAP, &off, sizeof off);
}

Result<void> IkeSockets::prepare_for_kernel() {
  Result<void> first;
  for (std::size_t i = 0; i < fds_.size(); ++i)
    if (fds_[i] >= 0)
      if (auto done = prepare_for_kernel_esp(fds_[i], i < 2 ? Family::kV4 : Family::kV6, i % 2 == 1);
          !done && first)
        first = done;
  return first;
}

std::vector<int> IkeSockets::release() {
  std::vector<int> out(fds_.begin(), fds_.end());
  fds_.fill(-1);
  return out;
}

IkeSockets::~IkeSockets() {
  for (const int fd : fds_)
    if (fd >= 0) close(fd);
}

std::vector<int> IkeSockets::fds() const {
  std::vector<int> out;
  out.reserve(fds_.size());
  std::ranges::copy_if(fds_, std::back_inserter(out), [](int fd) { return fd >= 0; });
  return out;
}

std::optional<ike::Datagram> IkeSockets::receive(int fd) {
  static thread_local std::array<std::uint8_t, kLargestDatagram> buffer;
  const auto which = static_cast<std::size_t>(std::ranges::find(fds_, fd) - fds_.begin());
  const bool marked = which % 2 == 1;
  for (int skipped = 0; skipped < kMostSkipped; ++skipped) {
    AnySocketAddress from{};
    alignas(cmsghdr) std::array<std::uint8_t, 128> control{};
    iovec data{buffer.data(), buffer.size()};
    msghdr message{.msg_name = &from,
                   .msg_namelen = sizeof from,
                   .msg_iov = &data,
                   .msg_iovlen = 1,
                   .msg_control = control.data(),
                   .msg_controllen = control.size(),
                   .msg_flags = 0};
    const ssize_t n = recvmsg(fd, &message, 0);
    if (n < 0) {
      if (errno == EINTR || errno == ECONNREFUSED) continue;
      return std::nullopt;
    }
    Bytes bytes(buffer.data(), static_cast<std::size_t>(n));
    if (marked) {
      if (bytes.size() < kMarkerBytes || load_be32(bytes.data()) != 0) continue;
      bytes = bytes.subspan(kMarkerBytes);
    }
    const auto local = local_address(message);
    if (!local) continue;
    return ike::Datagram{.local = {*local, marked ? kNatTraversalPort : kIkePort},
                         .remote = from_kernel(from),
                         .bytes = Buffer(bytes.begin(), bytes.end())};
  }
  return std::nullopt;
}

Result<void> IkeSockets::send(const ike::Datagram& d) {
  static constexpr std::array<std::uint8_t, kMarkerBytes> kMarker{};
  return send(d.local, d.remote, d.local.port == kNatTraversalPort ? Bytes(kMarker) : Bytes(), d.bytes);
}

Result<void> IkeSockets::send(const ike::Keepalive& k) {
  static constexpr std::uint8_t kByte = 0xff;
  return send({k.local.address, kNatTraversalPort}, k.remote, {}, Bytes(&kByte, 1));
}

Result<void> IkeSockets::send(const SocketAddress& local, const SocketAddress& remote, Bytes marker,
                              Bytes bytes) {
  const bool traversal = local.port == kNatTraversalPort;
  const int fd = fds_[(remote.address.is_v4() ? 0u : 2u) + (traversal ? 1u : 0u)];
  std::array<iovec, 2> data{iovec{const_cast<std::uint8_t*>(marker.data()), marker.size()},
                            iovec{const_cast<std::uint8_t*>(bytes.data()), bytes.size()}};
  socklen_t length = 0;
  AnySocketAddress to = to_kernel(remote, length);
  alignas(cmsghdr) std::array<std::uint8_t, 128> control{};
  msghdr message{.msg_name = &to,
                 .msg_namelen = length,
                 .msg_iov = data.data(),
                 .msg_iovlen = data.size(),
                 .msg_control = control.data(),
                 .msg_controllen = control.size(),
                 .msg_flags = 0};
  if (local.address.is_unspecified()) {
    message.msg_control = nullptr;
    message.msg_controllen = 0;
  } else {
    set_source(message, local.address);
  }
  if (sendmsg(fd, &message, 0) < 0)
    return fail("sending to " + remote.text() + " from " + local.text() + ": " + std::strerror(errno));
  return {};
}

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/socket_address.h"

#include <cstring>

namespace simplon::ctrl {

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

}  // namespace simplon::ctrl

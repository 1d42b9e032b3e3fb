// SPDX-License-Identifier: Apache-2.0
// Addresses and ports as the socket calls have them.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "dp/base/address.h"

namespace simplon::ctrl {

union AnySocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};
AnySocketAddress to_kernel(const SocketAddress& from, socklen_t& length);
SocketAddress from_kernel(const AnySocketAddress& from);  // of AF_INET or AF_INET6

}  // namespace simplon::ctrl

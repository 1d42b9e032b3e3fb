// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/socket_address.h"

#include <gtest/gtest.h>

namespace simplon::ctrl::test {
namespace {

TEST(SocketAddress, GoesToTheKernelAndComesBack) {
  for (const char* text : {"192.0.2.1", "2001:db8::1"}) {
    const SocketAddress given{*IpAddress::parse(text), Port{4500}};
    socklen_t length = 0;
    const AnySocketAddress raw = to_kernel(given, length);
    EXPECT_EQ(raw.any.sa_family, given.address.is_v4() ? AF_INET : AF_INET6);
    EXPECT_EQ(length, given.address.is_v4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    EXPECT_EQ(from_kernel(raw), given);
  }
}

}  // namespace
}  // namespace simplon::ctrl::test

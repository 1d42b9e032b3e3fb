// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/ipv6_forwarding.h"

#include "tests/system/own_namespace.h"

namespace simplon::ctrl {
namespace {

using test::runs;
using test::shell;

std::string setting(const std::string& key) { return shell("sysctl -n net.ipv6.conf." + key); }

// RFC 4861 §6.2.7: a router takes no default route from router advertisements, unless it is told to
// (accept_ra 2).
TEST(Ipv6Forwarding, WhoHearsRouterAdvertisementsGoesOn) {
  ASSERT_TRUE(
      runs("ip link add hears type veth peer name deaf && ip link add router type veth peer name other"));
  ASSERT_TRUE(
      runs("sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.hears.accept_ra=1 "
           "net.ipv6.conf.deaf.accept_ra=0 "
           "net.ipv6.conf.router.accept_ra=1 net.ipv6.conf.router.forwarding=1"));
  forward_ipv6();
  EXPECT_EQ(setting("all.forwarding"), "1\n");
  EXPECT_EQ(setting("hears.accept_ra"), "2\n");
  EXPECT_EQ(setting("deaf.accept_ra"), "0\n");
  EXPECT_EQ(setting("router.accept_ra"), "1\n");
  ASSERT_TRUE(runs("sysctl -qw net.ipv6.conf.hears.accept_ra=1"));
  forward_ipv6();
  EXPECT_EQ(setting("hears.accept_ra"), "1\n") << "a machine that forwards is left as it is";
  ASSERT_TRUE(runs("ip link del hears && ip link del router"));
}

}  // namespace
}  // namespace simplon::ctrl

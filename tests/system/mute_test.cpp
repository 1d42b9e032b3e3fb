// SPDX-License-Identifier: Apache-2.0
// Mute against this machine's nftables.
#include "ctrl/linux/mute.h"

#include "tests/system/own_namespace.h"

namespace simplon::ctrl {
namespace {

using test::runs;
using test::shell;

std::string rules() { return shell("nft list ruleset"); }

TEST(Mute, ClosesTheKernelsSideAndOpensItAgain) {
  ASSERT_TRUE(
      runs("ip netns add netl-mute && ip link add m0 type veth peer name m1 netns netl-mute && "
           "ip addr add 192.0.2.1/24 dev m0 && ip link set m0 up && ip -n netl-mute link set m1 up && "
           "ip -n netl-mute addr add 192.0.2.2/24 dev m1"));
  const std::string ping = "ip netns exec netl-mute ping -q -c1 -W1 192.0.2.1";
  EXPECT_TRUE(runs(ping));
  ASSERT_TRUE(mute("m0"));
  const auto again = mute("m0");
  ASSERT_TRUE(again) << again.error().what;
  EXPECT_FALSE(runs(ping));
  EXPECT_EQ(shell("cat /proc/sys/net/ipv6/conf/m0/disable_ipv6"), "1\n");
  ASSERT_TRUE(unmute("m0"));
  EXPECT_TRUE(runs(ping));
  EXPECT_EQ(shell("cat /proc/sys/net/ipv6/conf/m0/disable_ipv6"), "0\n");
  EXPECT_EQ(rules(), "");
  ASSERT_TRUE(unmute("m0")) << "opening what is open is no error";
  ASSERT_TRUE(runs("ip link del m0; ip netns del netl-mute"));
}

// "a-b" and "a_b" are two interfaces: what is done to the one must not open the other.
TEST(Mute, InterfacesNeverShareATable) {
  ASSERT_TRUE(runs("ip link add a-b type veth peer name a_b"));
  ASSERT_TRUE(mute("a-b"));
  ASSERT_TRUE(mute("a_b"));
  EXPECT_NE(rules().find("\"a-b\""), std::string::npos) << rules();
  EXPECT_NE(rules().find("\"a_b\""), std::string::npos) << rules();
  ASSERT_TRUE(unmute("a_b"));
  EXPECT_NE(rules().find("\"a-b\""), std::string::npos) << rules();
  ASSERT_TRUE(unmute("a-b"));
  EXPECT_EQ(rules(), "");
}

TEST(Mute, MissingInterfaceIsNamed) {
  const auto closed = mute("nosuch0");
  ASSERT_FALSE(closed);
  EXPECT_NE(closed.error().what.find("'nosuch0'"), std::string::npos);
}

}  // namespace
}  // namespace simplon::ctrl

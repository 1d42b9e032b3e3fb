// SPDX-License-Identifier: Apache-2.0
// Notices that were lost, by a protocol that programs may send notices in themselves. Joining its groups
// needs root.
#include "ctrl/linux/netlink.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <vector>

namespace simplon::ctrl {
namespace {

constexpr unsigned kGroup = 1u << 27;
constexpr int kSmallest = 1;  // the kernel makes the least of it that it allows

// To the group; that nobody is at the port 0 is an error (ECONNREFUSED), which says nothing.
void send_notice(const Netlink& from, std::uint16_t type) {
  NetlinkMessage notice(type, 0);
  notice.put(1, Buffer(512));
  sockaddr_nl to{};
  to.nl_family = AF_NETLINK;
  to.nl_groups = kGroup;
  sendto(from.fd(), notice.raw(), notice.raw()->nlmsg_len, 0, reinterpret_cast<const sockaddr*>(&to),
         sizeof to);
}

TEST(Netlink, NoNoticeFromBeforeALossIsLeftForLater) {
  auto listener = Netlink::open(NETLINK_USERSOCK, kGroup);
  if (!listener) GTEST_SKIP() << listener.error().what;
  const auto sender = Netlink::open(NETLINK_USERSOCK, 0);
  ASSERT_TRUE(sender) << sender.error().what;
  std::vector<std::uint16_t> told;
  const auto note = [&](const nlmsghdr& m) { told.push_back(m.nlmsg_type); };
  send_notice(*sender, 0x100);
  EXPECT_TRUE(listener->notices(note)) << "the control: nothing is lost";
  EXPECT_EQ(told, std::vector<std::uint16_t>{0x100});
  told.clear();
  setsockopt(listener->fd(), SOL_SOCKET, SO_RCVBUF, &kSmallest, sizeof kSmallest);
  for (std::uint16_t i = 0; i < 100; ++i) send_notice(*sender, static_cast<std::uint16_t>(0x200 + i));
  EXPECT_FALSE(listener->notices(note));
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.front(), 0x200) << "those from before the loss";
  EXPECT_LT(told.size(), 100u);
  told.clear();
  send_notice(*sender, 0x300);
  EXPECT_TRUE(listener->notices(note));
  EXPECT_EQ(told, std::vector<std::uint16_t>{0x300}) << "what came since, alone";
}

}  // namespace
}  // namespace simplon::ctrl

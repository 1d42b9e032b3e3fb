// SPDX-License-Identifier: Apache-2.0
// What XfrmBackend does when another program changes its policies, against this machine's kernel.
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "tests/system/xfrm_policy.h"

namespace simplon::ctrl {
namespace {

using XfrmInterference = XfrmPolicy;

TEST_F(XfrmInterference, FlushedPoliciesAreBackAndTheDefaultBlockedMeanwhile) {
  ASSERT_TRUE(backend_->fence());
  add(office());
  EXPECT_EQ(told_at_once(), "") << "our own changes are no news";
  const int before = count(policies(), "dir ");
  ASSERT_TRUE(runs("ip xfrm policy flush"));
  EXPECT_EQ(policies(), "");
  EXPECT_EQ(default_policy(), "block block block") << "what holds until the repair";
  const std::string said = told();
  EXPECT_NE(said.find("another program has removed or changed " + std::to_string(before)), std::string::npos)
      << said;
  EXPECT_EQ(said.find("OPEN"), std::string::npos) << said;
  EXPECT_EQ(count(policies(), "dir "), before) << policies();
  EXPECT_EQ(count(policies(), "tmpl"), 3) << policies();
  EXPECT_EQ(told_at_once(), "");
}

// Hears of the kernel's policies in the order in which they are made.
class PolicyListener {
 public:
  PolicyListener() : socket_(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_XFRM)) {
    sockaddr_nl address{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = XFRMGRP_POLICY};
    listens_ = bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~PolicyListener() { close(socket_); }
  bool listens() const { return listens_; }
  // Since the last call; by direction.
  std::array<std::vector<std::uint32_t>, 3> priorities() const {
    std::array<std::vector<std::uint32_t>, 3> out;
    alignas(nlmsghdr) std::array<char, 65536> buffer;
    for (ssize_t got; (got = recv(socket_, buffer.data(), buffer.size(), 0)) > 0;) {
      auto left = static_cast<unsigned>(got);
      for (auto* m = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
        const auto* info = static_cast<const xfrm_userpolicy_info*>(NLMSG_DATA(m));
        const bool made = m->nlmsg_type == XFRM_MSG_NEWPOLICY || m->nlmsg_type == XFRM_MSG_UPDPOLICY;
        if (made && info->dir < out.size()) out[info->dir].push_back(info->priority);
      }
    }
    return out;
  }

 private:
  int socket_;
  bool listens_ = false;
};

// Whatever lets pass is not there before what is in front of it: nothing leaves in clear meanwhile.
TEST_F(XfrmInterference, FlushedPoliciesComeBackInTheOrderInWhichTheyDecide) {
  add(office());
  PolicySpec rest{.id = PolicyId{8}, .name = "rest", .order = 32, .action = Action::kBypass};
  rest.selectors = {{ts("0.0.0.0/0")}, {ts("0.0.0.0/0")}};
  add(rest);
  const PolicyListener listener;
  ASSERT_TRUE(listener.listens());
  ASSERT_TRUE(runs("ip xfrm policy flush"));
  told();
  for (const auto& priorities : listener.priorities()) {
    EXPECT_GE(priorities.size(), 2u);
    EXPECT_TRUE(std::ranges::is_sorted(priorities)) << testing::PrintToString(priorities);
  }
}

// An entry that the kernel does not take holds back what lets pass behind it, and nothing else.
TEST_F(XfrmInterference, WhatProtectsIsPutBackBehindAPolicyThatCannotBe) {
  PolicySpec wrong = office(6);  // transport mode with ends of another family
  wrong.order = 8;
  wrong.mode = SaMode::kTransport;
  wrong.selectors = {{ts("192.0.2.128/25")}, {ts("198.51.100.0/24")}};
  wrong.tunnel = TunnelEnds{ip("2001:db8::1"), ip("2001:db8::2")};
  ASSERT_FALSE(backend_->add_policy(wrong));
  add(office());
  PolicySpec rest{.id = PolicyId{8}, .name = "rest", .order = 32, .action = Action::kBypass};
  rest.selectors = {{ts("0.0.0.0/0")}, {ts("0.0.0.0/0")}};
  add(rest);
  const int open = count(policies(), "src 0.0.0.0/0 dst 0.0.0.0/0");
  ASSERT_GT(open, 0) << "the control";
  ASSERT_TRUE(runs("ip xfrm policy flush"));
  told();
  EXPECT_EQ(count(policies(), "tmpl src 203.0.113.1 dst 203.0.113.2"), 1) << policies();
  EXPECT_EQ(count(policies(), "src 0.0.0.0/0 dst 0.0.0.0/0"), 0) << policies();
  ASSERT_TRUE(backend_->remove_policy(wrong));
  told_at_once();
  EXPECT_EQ(count(policies(), "src 0.0.0.0/0 dst 0.0.0.0/0"), open) << "it is put back when all before it is";
}

TEST_F(XfrmInterference, RemovedOrReplacedPolicyIsBack) {
  ASSERT_TRUE(backend_->fence());
  add(office());
  for (const char* command :
       {"ip xfrm policy delete src 192.0.2.0/25 dst 198.51.100.0/24 dir out",
        "ip xfrm policy update src 192.0.2.0/25 dst 198.51.100.0/24 dir out priority 1 action allow"}) {
    ASSERT_TRUE(runs(command));
    EXPECT_NE(told().find("1 of Simplon's kernel policies"), std::string::npos) << command;
    EXPECT_EQ(count(policies(), "tmpl src 203.0.113.1 dst 203.0.113.2"), 1) << policies();
    EXPECT_EQ(count(policies(), "priority 1 "), 0) << policies();
  }
}

// The kernel's notice of that names no selector.
TEST_F(XfrmInterference, APolicyRemovedByItsIndexIsBack) {
  ASSERT_TRUE(backend_->fence());
  add(office());
  told_at_once();
  const std::string before = policies();
  ASSERT_TRUE(
      runs("index=$(ip -s xfrm policy | grep -A1 '^src 192.0.2.0/25 dst 198.51.100.0/24' | "
           "sed -n 's/.*dir out .*index \\([0-9]*\\).*/\\1/p'); ip xfrm policy delete dir out index $index"));
  EXPECT_NE(policies(), before);
  EXPECT_NE(told().find("1 of Simplon's kernel policies"), std::string::npos);
  EXPECT_EQ(count(policies(), "dir "), count(before, "dir "));
}

TEST_F(XfrmInterference, PolicyOfAnotherThatLetsPassBeforeOursIsTold) {
  ASSERT_TRUE(backend_->fence());
  add(office());
  ASSERT_TRUE(runs("ip xfrm policy add src 192.0.2.0/24 dst 0.0.0.0/0 dir out priority 5 action allow"));
  EXPECT_NE(
      told().find("OPEN another program has set a kernel policy that comes before Simplon's: 192.0.2.0/24"),
      std::string::npos);
  EXPECT_EQ(count(policies(), "priority 5 "), 1) << "it is another's: it stays";
  // Behind our entries, but before the block of what none of them matches.
  ASSERT_TRUE(
      runs("ip xfrm policy add src 203.0.113.0/24 dst 0.0.0.0/0 dir fwd priority 536870000 action allow"));
  EXPECT_NE(
      told().find("OPEN another program has set a kernel policy that comes before Simplon's: 203.0.113.0/24"),
      std::string::npos);
  // An SA that may be there or not protects nothing.
  ASSERT_TRUE(
      runs("ip xfrm policy add src 198.18.0.0/15 dst 0.0.0.0/0 dir in priority 5 action allow "
           "tmpl src 203.0.113.1 dst 203.0.113.2 proto esp mode tunnel level use"));
  EXPECT_NE(
      told().find("OPEN another program has set a kernel policy that comes before Simplon's: 198.18.0.0/15"),
      std::string::npos);
}

// No notice told of those that were set before the start; what a former run left is not another's.
TEST_F(XfrmInterference, PolicyOfAnotherFromBeforeTheStartIsToldOnce) {
  PolicySpec clear = office(8);
  clear.action = Action::kBypass;
  clear.selectors.remote = {ts("198.51.101.0/24")};
  clear.tunnel.reset();
  add(clear);
  ASSERT_TRUE(runs("ip xfrm policy add src 192.0.2.0/24 dst 0.0.0.0/0 dir out priority 5 action allow"));
  ASSERT_TRUE(runs("ip xfrm policy add src 192.0.2.0/24 dst 10.0.0.0/8 dir out priority 5 action block"));
  auto restarted = XfrmBackend::open();
  ASSERT_TRUE(restarted);
  backend_ = std::move(*restarted);
  ASSERT_TRUE(backend_->dump());
  ASSERT_TRUE(backend_->fence());
  add(office());
  const std::string said = told_at_once();
  EXPECT_EQ(count(said, "comes before Simplon's"), 1) << said;
  EXPECT_NE(said.find("192.0.2.0/24 to 0.0.0.0/0"), std::string::npos) << said;
  backend_->recheck();
  EXPECT_EQ(told_at_once(), "");
  ASSERT_TRUE(runs("ip xfrm policy delete src 192.0.2.0/24 dst 0.0.0.0/0 dir out"));
  EXPECT_EQ(told_at_once(), "");
  ASSERT_TRUE(runs("ip xfrm policy add src 192.0.2.0/24 dst 0.0.0.0/0 dir out priority 5 action allow"));
  EXPECT_EQ(count(told(), "comes before Simplon's"), 1) << "it is there again";
}

TEST_F(XfrmInterference, OpenedDefaultBlocksAgain) {
  ASSERT_TRUE(backend_->fence());
  ASSERT_TRUE(runs("ip xfrm policy setdefault out accept"));
  EXPECT_NE(told().find("opened the kernel's default policy"), std::string::npos);
  EXPECT_EQ(default_policy(), "block block block");
}

// A reload compares, whatever the notices said: here they went to nobody.
TEST_F(XfrmInterference, RecheckFindsWhatNoNoticeTold) {
  ASSERT_TRUE(backend_->fence());
  add(office());
  backend_->recheck();
  EXPECT_EQ(told_at_once(), "") << "nothing is wrong";
  ASSERT_TRUE(runs("ip xfrm policy flush"));
  for (int i = 0; i < 10; ++i) {  // the notices are read and forgotten
    char notices[65536];
    if (recv(backend_->fds()[0], notices, sizeof notices, MSG_DONTWAIT) <= 0) break;
  }
  EXPECT_EQ(told_at_once(), "");
  backend_->recheck();
  EXPECT_NE(told_at_once().find("put back"), std::string::npos);
  EXPECT_EQ(count(policies(), "tmpl"), 3) << policies();
}

}  // namespace
}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// Mutes against this machine's nftables and traffic control.
#include "ctrl/linux/mute.h"

#include <sys/resource.h>

#include <optional>

#include "ctrl/linux/mute_watch.h"
#include "tests/system/own_namespace.h"

namespace simplon::ctrl {
namespace {

using test::runs;
using test::shell;
using test::wait_for;

std::string rules() { return shell("nft list ruleset"); }

// m0, muted or not, and a host behind it that pings it.
class Mute : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(
        runs("ip netns add netl-mute && ip link add m0 type veth peer name m1 netns netl-mute && "
             "ip addr add 192.0.2.1/24 dev m0 && ip link set m0 up && ip -n netl-mute link set m1 up && "
             "ip -n netl-mute addr add 192.0.2.2/24 dev m1"));
  }
  void TearDown() override { ASSERT_TRUE(runs("ip link del m0; ip netns del netl-mute; nft flush ruleset")); }
  static ::testing::AssertionResult pings() {
    return runs("ip netns exec netl-mute ping -q -c1 -W1 192.0.2.1");
  }
  // Within ten seconds: the neighbour may have been given up while the way was closed.
  static ::testing::AssertionResult opens() {
    auto answer = pings();
    for (int i = 0; i < 9 && !answer; ++i) answer = pings();
    return answer;
  }
  static std::string setting(const std::string& path) { return shell("cat /proc/sys/net/" + path); }
};

TEST_F(Mute, ClosesTheKernelsSideAndOpensItAgain) {
  EXPECT_TRUE(opens());
  ASSERT_TRUE(mute("m0"));
  const auto again = mute("m0");
  ASSERT_TRUE(again) << again.error().what;
  EXPECT_TRUE(again->empty()) << again->front().why;
  EXPECT_FALSE(pings());
  EXPECT_EQ(setting("ipv6/conf/m0/disable_ipv6"), "1\n");
  EXPECT_EQ(setting("ipv4/conf/m0/rp_filter"), "1\n");
  ASSERT_TRUE(unmute("m0"));
  EXPECT_TRUE(opens());
  EXPECT_EQ(setting("ipv6/conf/m0/disable_ipv6"), "0\n");
  EXPECT_EQ(setting("ipv4/conf/m0/rp_filter"), setting("ipv4/conf/default/rp_filter"));
  EXPECT_EQ(rules(), "");
  EXPECT_EQ(shell("tc qdisc show dev m0 clsact"), "");
  ASSERT_TRUE(unmute("m0")) << "opening what is open is no error";
}

// Each of the two drops keeps everything out when the other is gone.
TEST_F(Mute, NoOneCommandOpensIt) {
  ASSERT_TRUE(mute("m0"));
  for (const char* command : {"nft flush ruleset", "tc qdisc del dev m0 clsact"}) {
    ASSERT_TRUE(runs(command));
    EXPECT_FALSE(pings()) << command;
    const Reopened found = mute_again("m0");
    EXPECT_EQ(found.locks.size(), 1u) << command;
    EXPECT_FALSE(found.open) << command;
  }
  ASSERT_TRUE(runs("nft flush ruleset && tc qdisc del dev m0 clsact"));
  for (const char* key : {"ipv4/conf/m0/rp_filter", "ipv4/conf/m0/arp_ignore"})
    ASSERT_TRUE(runs(std::string("echo 0 >/proc/sys/net/") + key));
  EXPECT_TRUE(opens()) << "the control: without any lock it is open";
  const Reopened found = mute_again("m0");
  EXPECT_TRUE(found.open);
  EXPECT_EQ(found.locks.size(), 4u);
  EXPECT_TRUE(found.failed.empty());
  EXPECT_FALSE(pings());
  EXPECT_TRUE(mute_again("m0").locks.empty());
}

// A rule that another program puts into our chain, or another policy of it, is a lock that is open.
TEST_F(Mute, ChangedDropIsFound) {
  ASSERT_TRUE(mute("m0"));
  for (const char* command : {"nft add rule netdev simplon_m0 ingress accept",
                              "nft add chain netdev simplon_m0 ingress '{ policy accept; }'",
                              "tc filter del dev m0 ingress pref 1"}) {
    ASSERT_TRUE(runs(command));
    EXPECT_EQ(mute_again("m0").locks.size(), 1u) << command;
    EXPECT_TRUE(mute_again("m0").locks.empty()) << command;
  }
}

// Another program's filters at the same hook are left alone.
TEST_F(Mute, FiltersOfOthersStay) {
  ASSERT_TRUE(
      runs("tc qdisc add dev m0 clsact && "
           "tc filter add dev m0 egress pref 7 protocol all bpf da bytecode '1,6 0 0 0'"));
  ASSERT_TRUE(mute("m0"));
  ASSERT_TRUE(unmute("m0"));
  EXPECT_NE(shell("tc filter show dev m0 egress").find("pref 7"), std::string::npos);
  EXPECT_EQ(shell("tc filter show dev m0 ingress"), "");
}

// Who takes over waits for one lock alone.
TEST_F(Mute, OneLockIsEnoughAtOnceAndTheRestFollows) {
  ASSERT_TRUE(opens());
  auto watch = MuteWatch::start({"m0"}, {}, true);
  ASSERT_TRUE(watch) << watch.error().what;
  EXPECT_FALSE(pings());
  EXPECT_EQ(rules(), "");
  MuteWatch::Now now = std::chrono::steady_clock::now();
  EXPECT_TRUE(watch->check(now).empty()) << "nobody has opened what is not closed yet";
  EXPECT_EQ(rules(), "");
  watch->finish();
  EXPECT_TRUE(watch->missing().empty());
  EXPECT_NE(rules(), "");
  EXPECT_EQ(setting("ipv6/conf/m0/disable_ipv6"), "1\n");
  EXPECT_TRUE(watch->check(now).empty());
  ASSERT_TRUE(runs("tc qdisc del dev m0 clsact"));
  EXPECT_FALSE(pings()) << "the other lock holds";
  EXPECT_EQ(watch->check(now).size(), 1u);
}

TEST_F(Mute, AnInterfaceThatIsGoneBeforeTheRestIsWaitedFor) {
  auto watch = MuteWatch::start({"m0"}, {}, true);
  ASSERT_TRUE(watch) << watch.error().what;
  ASSERT_TRUE(runs("ip link del m0; ip netns del netl-mute"));
  watch->finish();
  ASSERT_EQ(watch->missing().size(), 1u);
  EXPECT_NE(watch->missing()[0].find("no interface 'm0'"), std::string::npos);
  MuteWatch::Now now = std::chrono::steady_clock::now();
  EXPECT_TRUE(watch->check(now).empty());
  SetUp();
  EXPECT_EQ(watch->check(now).size(), 1u);
  EXPECT_FALSE(pings());
}

class Watch : public Mute {
 protected:
  using What = MuteWatch::Finding::What;
  void SetUp() override {
    Mute::SetUp();
    auto started = MuteWatch::start({"m0"});
    ASSERT_TRUE(started) << started.error().what;
    EXPECT_TRUE(started->missing().empty());
    watch_.emplace(std::move(*started));
  }
  // The first finding within ten seconds, of what the notices said alone: the clock stands still.
  std::optional<MuteWatch::Finding> finding() {
    std::optional<MuteWatch::Finding> out;
    wait_for(watch_->fds()[0], [&] {
      const auto found = watch_->poll(now_ += std::chrono::milliseconds(30));
      if (!found.empty()) out = found.front();
      return out.has_value();
    });
    return out;
  }
  std::optional<MuteWatch> watch_;
  MuteWatch::Now now_ = std::chrono::steady_clock::now();
};

TEST_F(Watch, WhatAnotherProgramOpensIsClosedAtItsNotice) {
  for (const char* command :
       {"nft flush ruleset", "tc qdisc del dev m0 clsact", "echo 0 >/proc/sys/net/ipv4/conf/m0/rp_filter"}) {
    ASSERT_TRUE(runs(command));
    const auto found = finding();
    ASSERT_TRUE(found) << command;
    EXPECT_EQ(found->what, What::kOpened);
    EXPECT_FALSE(found->open) << command;
    EXPECT_NE(found->text.find("m0 was opened to the kernel by another program"), std::string::npos);
    EXPECT_FALSE(pings());
  }
  EXPECT_EQ(setting("ipv4/conf/m0/rp_filter"), "1\n");
}

// What the other end of a veth merges comes from another namespace.
class Offloads : public Mute {
 protected:
  static std::string feature(const std::string& command, const std::string& name) {
    const std::string all = shell(command);
    const std::size_t at = all.find("\n" + name + ": ");
    return at == std::string::npos
               ? ""
               : all.substr(at + name.size() + 3, all[at + name.size() + 4] == 'n' ? 2 : 3);
  }
  static std::string gro() { return feature("ethtool -k m0", "generic-receive-offload"); }
  static std::string tso_of_the_other_end() {
    return feature("ip netns exec netl-mute ethtool -k m1", "tcp-segmentation-offload");
  }
};

TEST_F(Offloads, AreOffWhileItIsWatchedAndAsTheyWereAfterwards) {
  for (const char* before : {"on", "off"}) {
    ASSERT_TRUE(runs(std::string("ethtool -K m0 gro ") + before));
    ASSERT_EQ(gro(), before);
    ASSERT_EQ(tso_of_the_other_end(), "on");
    {
      auto watch = MuteWatch::start({"m0"});
      ASSERT_TRUE(watch) << watch.error().what;
      EXPECT_EQ(gro(), "off");
      EXPECT_EQ(tso_of_the_other_end(), "off");
      ASSERT_TRUE(runs("ethtool -K m0 gro on"));
      const auto found = watch->check(std::chrono::steady_clock::now());
      ASSERT_EQ(found.size(), 1u);
      EXPECT_FALSE(found[0].open);
      EXPECT_NE(found[0].text.find("another program switched rx-gro on, off again"), std::string::npos)
          << found[0].text;
      EXPECT_EQ(gro(), "off");
    }
    EXPECT_EQ(gro(), before);
    EXPECT_EQ(tso_of_the_other_end(), "on");
  }
}

// net_af_xdp has a program of its own at the interface.
TEST_F(Offloads, ProgramOfADriverIsNotInItsWay) {
  auto watch = MuteWatch::start({"m0"}, {"m0"});
  ASSERT_TRUE(watch) << watch.error().what;
  EXPECT_EQ(shell("ip link show dev m0").find(" xdp"), std::string::npos);
  EXPECT_EQ(gro(), "off");
}

// net.ipv4.ip_forward=1 sets the key of every interface.
TEST_F(Watch, ForwardingStaysOffWhenItIsSwitchedOnForAll) {
  ASSERT_TRUE(runs("echo 1 >/proc/sys/net/ipv4/ip_forward"));
  ASSERT_TRUE(finding());
  EXPECT_EQ(setting("ipv4/conf/m0/forwarding"), "0\n");
  ASSERT_TRUE(runs("echo 0 >/proc/sys/net/ipv4/ip_forward"));
}

// Without a descriptor the locks cannot be looked at. That is told once, and the interface is not gone.
TEST_F(Watch, OutOfDescriptorsIsNamedAndAnInterfaceIsNotGone) {
  rlimit before{}, none{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto found = watch_->check(now_), again = watch_->check(now_);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].what, What::kOpened);
  EXPECT_FALSE(found[0].open);
  EXPECT_NE(found[0].text.find("Too many open files"), std::string::npos) << found[0].text;
  EXPECT_TRUE(again.empty());
  EXPECT_TRUE(watch_->check(now_).empty()) << "all is closed, as it was";
}

TEST_F(Watch, InterfaceThatComesBackIsMuted) {
  ASSERT_TRUE(runs("ip link del m0"));
  auto found = finding();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->what, What::kGone);
  ASSERT_TRUE(
      runs("ip link add m0 type veth peer name m1 netns netl-mute && "
           "ip addr add 192.0.2.1/24 dev m0 && ip link set m0 up && ip -n netl-mute link set m1 up && "
           "ip -n netl-mute addr add 192.0.2.2/24 dev m1"));
  found = finding();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->what, What::kBack);
  EXPECT_FALSE(pings());
  EXPECT_TRUE(mute_again("m0").locks.empty());
}

// "a-b" and "a_b" are two interfaces: what is done to the one must not open the other.
TEST(MuteOfMany, InterfacesNeverShareATable) {
  ASSERT_TRUE(runs("ip link add a-b type veth peer name a_b"));
  ASSERT_TRUE(mute("a-b"));
  ASSERT_TRUE(mute("a_b"));
  EXPECT_NE(rules().find("\"a-b\""), std::string::npos) << rules();
  EXPECT_NE(rules().find("\"a_b\""), std::string::npos) << rules();
  ASSERT_TRUE(unmute("a_b"));
  EXPECT_NE(rules().find("\"a-b\""), std::string::npos) << rules();
  ASSERT_TRUE(unmute("a-b"));
  EXPECT_EQ(rules(), "");
  ASSERT_TRUE(runs("ip link del a-b"));
}

TEST(MuteOfMany, MissingInterfaceIsNamed) {
  const auto closed = mute("nosuch0");
  ASSERT_FALSE(closed);
  EXPECT_NE(closed.error().what.find("'nosuch0'"), std::string::npos);
}

}  // namespace
}  // namespace simplon::ctrl

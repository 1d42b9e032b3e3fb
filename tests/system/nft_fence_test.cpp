// SPDX-License-Identifier: Apache-2.0
// The fence in nftables beside XfrmBackend's policies: what it stops while another program has opened these,
// and what it lets pass. This machine's kernel needs no ESP for it: the packets are those that should not be
// in clear.
//
//   this namespace: 192.0.2.1 xa ----- xb 198.51.100.5 peer
#include <sys/resource.h>

#include "ctrl/backend/xfrm/backend.h"
#include "tests/system/own_namespace.h"

namespace simplon::ctrl {
namespace {

using test::runs;
using test::shell;
using test::wait_for;

TrafficSelector ts(const char* text) { return *TrafficSelector::parse(text); }

PolicySpec entry(std::uint32_t id, Action action, const char* local, const char* remote) {
  PolicySpec out{.id = PolicyId{id},
                 .name = "entry-" + std::to_string(id),
                 .order = 16 * id,
                 .action = action,
                 .selectors = {{ts(local)}, {ts(remote)}},
                 .tunnel = {}};
  if (action == Action::kProtect)
    out.tunnel = TunnelEnds{*IpAddress::parse("203.0.113.1"), *IpAddress::parse("203.0.113.2")};
  return out;
}
PolicySpec office() { return entry(7, Action::kProtect, "192.0.2.0/25", "198.51.100.0/24"); }

class NftFence : public ::testing::Test {
 protected:
  static std::string peer() { return "nftfence" + std::to_string(getpid()); }
  static std::string at_peer(const std::string& command) { return "ip netns exec " + peer() + " " + command; }
  static void SetUpTestSuite() {
    const std::string p = peer();
    ASSERT_TRUE(runs("ip netns add " + p + " && ip link add xa type veth peer name xb netns " + p +
                     " && ip addr add 192.0.2.1/25 dev xa && ip link set xa up && ip -n " + p +
                     " addr add 198.51.100.5/24 dev xb && ip -n " + p + " link set xb up && ip -n " + p +
                     " route add 192.0.2.0/25 dev xb && ip route add 198.51.100.0/24 dev xa src 192.0.2.1"));
    ASSERT_TRUE(runs(
        "ip addr add 2001:db8:a::1/64 dev xa nodad && ip -6 route add 2001:db8:b::/48 dev xa && ip -n " + p +
        " addr add 2001:db8:b::5/48 dev xb nodad && ip -n " + p + " -6 route add 2001:db8:a::/64 dev xb"));
    ASSERT_TRUE(runs(
        at_peer("nft 'add table inet count; add counter inet count udp500; add counter inet count udp501; "
                "add counter inet count echo; "
                "add chain inet count c { type filter hook prerouting priority -400; }; "
                "add rule inet count c udp sport 500 counter name udp500; "
                "add rule inet count c udp sport 501 counter name udp501; "
                "add rule inet count c icmp type echo-request counter name echo'")));
  }
  static void TearDownTestSuite() {
    ASSERT_TRUE(runs("ip link del xa; for n in " + peer() + " " + peer() +
                     "lan; do [ ! -e /run/netns/$n ] || ip netns del $n; done"));
  }
  void SetUp() override {
    ASSERT_TRUE(
        runs("ip xfrm policy flush; ip xfrm policy setdefault in accept fwd accept out accept; nft flush "
             "ruleset"));
    ASSERT_TRUE(runs("ping -q -c1 -W5 198.51.100.5")) << "the wire is up";
    auto opened = XfrmBackend::open();
    ASSERT_TRUE(opened) << opened.error().what;
    backend_ = std::move(*opened);
    ASSERT_TRUE(backend_->fence());
  }
  void TearDown() override { ASSERT_TRUE(XfrmBackend::release()); }
  void add(const PolicySpec& policy) {
    const auto done = backend_->add_policy(policy);
    ASSERT_TRUE(done) << done.error().what;
    backend_->commit();
  }
  static unsigned long seen(const std::string& counter) {
    return std::stoul(shell(
        at_peer("nft list counter inet count " + counter + " | sed -n 's/.*packets \\([0-9]*\\).*/\\1/p'")));
  }
  static unsigned long echoes_taken() {
    return std::stoul(
        shell("awk '$1 == \"IcmpMsg:\" {for (i = 1; i <= NF; i++) v[n + 0, i] = $i; n++; m = NF} "
              "END {for (i = 1; i <= m; i++) if (v[0, i] == \"InType8\") print v[1, i]}' /proc/net/snmp; "
              "echo 0"));
  }
  // Pings in both directions: how many requests arrived, there and here.
  static std::pair<unsigned long, unsigned long> arrived() {
    const auto there = seen("echo"), here = echoes_taken();
    (void)test::status_and_output("ping -q -c2 -i0.05 -W0.3 198.51.100.5");
    (void)test::status_and_output(at_peer("ping -q -c2 -i0.05 -W0.3 192.0.2.1"));
    return {seen("echo") - there, echoes_taken() - here};
  }
  // Another program takes the place of our policies by such that let pass.
  static ::testing::AssertionResult let_pass() {
    return runs(
        "for d in out fwd; do ip xfrm policy update src 192.0.2.0/25 dst 198.51.100.0/24 dir $d priority 1 "
        "action allow; done; for d in in fwd; do ip xfrm policy update src 198.51.100.0/24 dst 192.0.2.0/25 "
        "dir $d priority 1 action allow; done");
  }
  std::string told() {
    std::string out;
    wait_for(backend_->fds()[1], [&] {
      out += told_at_once();
      return !out.empty();
    });
    return out;
  }
  std::string told_at_once() {
    std::string out;
    for (const BackendEvent& event : backend_->poll())
      if (const auto* changed = std::get_if<ChangedEvent>(&event)) out += changed->what + "\n";
    return out;
  }
  static std::string table() { return test::status_and_output("nft list table inet simplon").second; }
  std::unique_ptr<XfrmBackend> backend_;
};
using Pair = std::pair<unsigned long, unsigned long>;

TEST_F(NftFence, WhetherTheKernelCanHaveItIsTriedWithoutATrace) {
  const std::string before = shell("nft list ruleset");
  const auto done = ctrl::NftFence::try_kernel();
  EXPECT_TRUE(done) << done.error().what;
  EXPECT_EQ(shell("nft list ruleset"), before);
}

TEST_F(NftFence, APolicyOfAnotherThatLetsPassIsStoppedInBothDirections) {
  add(office());
  EXPECT_EQ(told_at_once(), "");
  ASSERT_TRUE(let_pass());
  EXPECT_EQ(arrived(), Pair(0, 0));
  EXPECT_NE(told_at_once().find("4 of Simplon's kernel policies"), std::string::npos);
  // The control: without the fence the same policies let pass.
  ASSERT_TRUE(let_pass());
  ASSERT_TRUE(runs("nft delete table inet simplon"));
  const Pair open = arrived();
  EXPECT_EQ(open.first, 2u);
  EXPECT_EQ(open.second, 2u);
  EXPECT_NE(told().find("fence that Simplon has in nftables"), std::string::npos);
  ASSERT_TRUE(let_pass());
  EXPECT_EQ(arrived(), Pair(0, 0)) << "it stands again " << table();
}

TEST_F(NftFence, FlushedRulesetIsWrittenAgainAndThePoliciesHoldMeanwhile) {
  add(office());
  const std::string before = table();
  for (const char* command :
       {"nft flush ruleset", "nft flush table inet simplon", "nft delete table inet simplon",
        "nft insert rule inet simplon leaving accept", "nft 'add table inet simplon { flags dormant; }'"}) {
    EXPECT_EQ(told_at_once(), "") << command;
    ASSERT_TRUE(runs(command));
    EXPECT_NE(table(), before) << command;
    EXPECT_EQ(arrived(), Pair(0, 0)) << command;
    EXPECT_NE(told().find("written again"), std::string::npos) << command;
    EXPECT_EQ(table(), before) << command;
  }
  ASSERT_TRUE(runs("nft add table inet other && nft add chain inet other c && nft delete table inet other"));
  EXPECT_EQ(told_at_once(), "") << "another's table is no news";
}

TEST_F(NftFence, TheFirstEntryDecides) {
  PolicySpec bypass = entry(3, Action::kBypass, "192.0.2.0/25[icmp]", "198.51.100.5[icmp]");
  add(office());
  add(bypass);
  const Pair open = arrived();
  EXPECT_EQ(open.first, 2u) << table();
  EXPECT_EQ(open.second, 2u) << table();
  add(entry(2, Action::kDiscard, "192.0.2.1", "198.51.100.5"));
  ASSERT_TRUE(let_pass());
  ASSERT_TRUE(runs("ip xfrm policy flush; ip xfrm policy setdefault out accept fwd accept in accept"));
  EXPECT_EQ(arrived(), Pair(0, 0)) << table();
  ASSERT_TRUE(backend_->remove_policy(entry(2, Action::kDiscard, "192.0.2.1", "198.51.100.5")));
  backend_->commit();
  EXPECT_EQ(arrived(), Pair(2, 2)) << table();
}

// RFC 7296 §2: IKE and ESP of the gateway's own are not covered by its policies.
TEST_F(NftFence, IkePassesWhatItCovers) {
  add(office());
  ASSERT_TRUE(let_pass());
  const auto send = [](const char* port) {
    return runs(
        std::string(
            "/usr/bin/python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
            "s.bind((\"192.0.2.1\", ") +
        port + ")); s.sendto(b\"x\", (\"198.51.100.5\", 500))'");
  };
  const auto ike = seen("udp500"), other = seen("udp501");
  EXPECT_TRUE(send("500"));
  EXPECT_FALSE(send("501")) << "EPERM: nftables dropped it";
  EXPECT_EQ(seen("udp500") - ike, 1u);
  EXPECT_EQ(seen("udp501") - other, 0u);
}

// A host behind this gateway, 192.0.2.10. Later fragments have no ports, and are no first ones: they are
// looked at where they are forwarded.
TEST_F(NftFence, ForwardedPacketsAndTheirFragmentsAreStopped) {
  const std::string p = peer(), lan = p + "lan";
  const auto in_lan = [&](const std::string& command) { return "ip netns exec " + lan + " " + command; };
  ASSERT_TRUE(
      runs("ip netns add " + lan + " && ip link add la type veth peer name lb netns " + lan +
           " && ip link set la up && ip route add 192.0.2.10/32 dev la && ip -n " + lan +
           " addr add 192.0.2.10/25 dev lb && ip -n " + lan + " link set lb up && ip -n " + lan +
           " route add default via 192.0.2.1 && ip -n " + p +
           " route replace 192.0.2.10/32 via 192.0.2.1 dev xb onlink && sysctl -qw net.ipv4.ip_forward=1 "
           "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.la.rp_filter=0 net.ipv4.conf.xa.rp_filter=0"));
  for (const auto& [where, from] : {std::pair(lan, "198.51.100.5"), std::pair(p, "192.0.2.10")})
    ASSERT_TRUE(runs("ip netns exec " + where +
                     " nft 'add table ip seen; add counter ip seen n; add chain ip seen c { "
                     "type filter hook prerouting priority -400; }; add rule ip seen c ip saddr " +
                     from + " counter name n'"));
  const auto all = [](const std::string& where) {
    return std::stoul(shell("ip netns exec " + where +
                            " nft list counter ip seen n | sed -n 's/.*packets \\([0-9]*\\).*/\\1/p'"));
  };
  const auto packets = [&] {
    const Pair before(all(p), all(lan));
    for (const char* size : {"56", "3000"}) {
      (void)test::status_and_output(in_lan(std::string("ping -q -c1 -W0.3 -s ") + size + " 198.51.100.5"));
      (void)test::status_and_output(at_peer(std::string("ping -q -c1 -W0.3 -s ") + size + " 192.0.2.10"));
    }
    return Pair(all(p) - before.first, all(lan) - before.second);
  };
  add(office());
  ASSERT_TRUE(let_pass());
  EXPECT_EQ(packets(), Pair(0, 0)) << table();
  ASSERT_TRUE(runs("nft delete table inet simplon"));
  EXPECT_EQ(packets(), Pair(8, 8)) << "1 and 3 requests, and as many answers";
}

// Prefixes, ranges, ports, types of ICMP and everything, of both families.
TEST_F(NftFence, TheKernelTakesSelectorsOfEveryShape) {
  add(entry(1, Action::kBypass, "192.0.2.1[udp/1000-1003]", "198.51.100.0/24[udp/53]"));
  add(entry(2, Action::kDiscard, "192.0.2.1-192.0.2.6[icmp/2048-2303]", "198.51.100.5[icmp]"));
  add(entry(3, Action::kProtect, "2001:db8:a::/64", "2001:db8:b::/48"));
  add(entry(4, Action::kBypass, "::/0[tcp/1024-65535]", "2001:db8:b::5[tcp/443]"));
  add(entry(5, Action::kDiscard, "::/0[icmpv6/32768]", "2001:db8::/32[icmpv6]"));
  add(entry(6, Action::kBypass, "10.0.0.0/8", "0.0.0.0/0"));
  add(entry(7, Action::kProtect, "0.0.0.0/0", "0.0.0.0/0"));
  EXPECT_EQ(told_at_once(), "") << "an error would be told";
  EXPECT_NE(table().find("ip6 saddr & ffff:ffff:ffff:ffff:: . ip6 daddr & ffff:ffff:ffff::"),
            std::string::npos)
      << table();
  const auto open = [] {
    return runs("ip xfrm policy flush; ip xfrm policy setdefault out accept fwd accept in accept");
  };
  ASSERT_TRUE(open());
  EXPECT_EQ(arrived(), Pair(0, 0));
  EXPECT_FALSE(runs("ping -q -c1 -W0.5 -I 2001:db8:a::1 2001:db8:b::5"));
  ASSERT_TRUE(runs("nft delete table inet simplon"));
  EXPECT_EQ(arrived(), Pair(2, 2));
  EXPECT_TRUE(runs("ping -q -c1 -W5 -I 2001:db8:a::1 2001:db8:b::5"))
      << "neighbour discovery, and the control";
}

// Another program has taken the table away, and that is not noticed yet.
TEST_F(NftFence, WhatClosesIsWrittenAlsoWhereTheTableIsGone) {
  add(entry(8, Action::kProtect, "192.0.2.0/25", "198.51.102.0/24"));
  ASSERT_TRUE(runs("nft flush ruleset"));
  add(office());  // of a shape that is there: it would be one element more
  ASSERT_TRUE(let_pass());
  EXPECT_EQ(arrived(), Pair(0, 0)) << table();
}

TEST_F(NftFence, OutOfDescriptorsIsToldAndSurvived) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  setrlimit(RLIMIT_NOFILE, &none);
  const auto added = backend_->add_policy(office());
  backend_->commit();
  const std::string said = told_at_once();
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(added) << "the policies need no descriptor";
  EXPECT_NE(said.find("there is no fence in nftables"), std::string::npos) << said;
  backend_->recheck();
  EXPECT_NE(told_at_once().find("the fence in nftables is written"), std::string::npos);
  ASSERT_TRUE(let_pass());
  EXPECT_EQ(arrived(), Pair(0, 0)) << table();
}

// As a crashed gateway leaves it, and the next one finds it.
TEST_F(NftFence, StaysWhenTheProcessEndsAndIsReleasedOnRequest) {
  add(office());
  backend_.reset();
  EXPECT_NE(table().find("chain leaving"), std::string::npos);
  ASSERT_TRUE(let_pass());
  EXPECT_EQ(arrived(), Pair(0, 0));
  ASSERT_TRUE(XfrmBackend::release());
  EXPECT_EQ(table().find("chain leaving"), std::string::npos);
  ASSERT_TRUE(runs("ip xfrm policy flush"));
  EXPECT_EQ(arrived(), Pair(2, 2));
}

}  // namespace
}  // namespace simplon::ctrl

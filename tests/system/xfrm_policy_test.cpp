// SPDX-License-Identifier: Apache-2.0
// XfrmBackend's policies, and what it does when another program changes them, against this machine's kernel,
// which needs no ESP for them.
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "ctrl/backend/xfrm/backend.h"
#include "tests/system/own_namespace.h"

namespace simplon::ctrl {
namespace {

using test::runs;
using test::shell;
using test::wait_for;

TrafficSelector ts(const char* text) { return *TrafficSelector::parse(text); }
IpAddress ip(const char* text) { return *IpAddress::parse(text); }

PolicySpec office(std::uint32_t id = 7) {
  return {.id = PolicyId{id},
          .name = "office/net",
          .order = 16,
          .action = Action::kProtect,
          .selectors = {{ts("192.0.2.0/25")}, {ts("198.51.100.0/24")}},
          .tunnel = TunnelEnds{ip("203.0.113.1"), ip("203.0.113.2")}};
}

std::string policies() { return shell("ip xfrm policy"); }
int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// in, fwd, out
std::string default_policy() {
  std::string out;
  for (const std::string direction : {"in", "fwd", "out"}) {
    const std::string all = shell("ip xfrm policy getdefault");
    const std::size_t at = all.find(direction + ": ");
    if (at == std::string::npos) return all;
    const std::size_t from = all.find_first_not_of(' ', at + direction.size() + 1);
    out += (out.empty() ? "" : " ") + all.substr(from, all.find_first_of(" \n", from) - from);
  }
  return out;
}

class XfrmPolicy : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(
        runs("ip xfrm policy flush; ip xfrm state flush; ip xfrm policy setdefault in accept fwd accept out "
             "accept"));
    auto opened = XfrmBackend::open();
    ASSERT_TRUE(opened) << opened.error().what;
    backend_ = std::move(*opened);
  }
  void add(const PolicySpec& policy) {
    const auto done = backend_->add_policy(policy);
    ASSERT_TRUE(done) << done.error().what;
  }
  // What the backend tells of others' changes, once it tells of any.
  std::string told() {
    std::string out;
    wait_for(backend_->fds()[0], [&] {
      for (const BackendEvent& event : backend_->poll())
        if (const auto* changed = std::get_if<ChangedEvent>(&event))
          out += (changed->open ? "OPEN " : "") + changed->what + "\n";
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
  std::unique_ptr<XfrmBackend> backend_;
};

TEST_F(XfrmPolicy, ProtectIsATemplateInThreeDirections) {
  add(office());
  const std::string text = policies();
  EXPECT_EQ(count(text, "src 192.0.2.0/25 dst 198.51.100.0/24"), 2) << text;
  EXPECT_EQ(count(text, "src 198.51.100.0/24 dst 192.0.2.0/25"), 2) << text;
  for (const char* dir : {"dir out", "dir in"}) EXPECT_EQ(count(text, dir), 1) << text;
  EXPECT_EQ(count(text, "dir fwd"), 2) << text;
  EXPECT_EQ(count(text, "tmpl"), 3) << "forwarded packets that go out meet the template in out alone "
                                    << text;
  EXPECT_EQ(count(text, "tmpl src 203.0.113.1 dst 203.0.113.2"), 1) << text;
  EXPECT_EQ(count(text, "proto esp reqid 7 mode tunnel"), 1) << text;
  ASSERT_TRUE(backend_->remove_policy(office()));
  EXPECT_EQ(policies(), "");
}

// RFC 4301 §5.2: an inbound packet is taken from the SAs of its child alone, by whichever entry of the
// child's.
TEST_F(XfrmPolicy, InboundTemplatesAskForTheSasOfTheChild) {
  PolicySpec narrowed = office(9);
  narrowed.child = PolicyId{7};
  narrowed.order = 15;
  add(narrowed);
  EXPECT_EQ(count(policies(), "reqid 9 "), 1) << policies();
  EXPECT_EQ(count(policies(), "reqid 7 "), 2) << policies();
  add(office(8));
  EXPECT_EQ(count(policies(), "reqid 7 "), 2) << "an entry that is no child's takes any SA between the ends";
}

TEST_F(XfrmPolicy, ForwardedPacketsThatGoOutPassBehindAllThatComesIn) {
  PolicySpec p = office();
  p.selectors = {{ts("192.0.2.0/24")}, {ts("192.0.2.0/24")}};
  add(p);
  EXPECT_EQ(count(policies(), "dir fwd"), 1) << policies();
  EXPECT_EQ(count(policies(), "tmpl"), 3) << "one key for both ways: the template has it " << policies();
  ASSERT_TRUE(backend_->remove_policy(p));
  EXPECT_EQ(policies(), "");
}

TEST_F(XfrmPolicy, FenceLetsNeighboursThroughAndNothingElseIsForwarded) {
  ASSERT_TRUE(backend_->fence());
  const std::string text = policies();
  EXPECT_EQ(count(text, "dir in"), 5) << "ICMPv6 133; 134, 135; 136, 137; all, at the end " << text;
  EXPECT_EQ(count(text, "dir out"), 5) << text;
  EXPECT_EQ(count(text, "dir fwd"), 5) << text;
  EXPECT_EQ(count(text, "action block"), 5) << text;
  EXPECT_EQ(count(text, "priority 268435456"), 9) << text;
  EXPECT_EQ(count(text, "priority 536870913"), 6) << text;
  EXPECT_EQ(default_policy(), "block block block");
  add(office());
  EXPECT_EQ(count(policies(), "priority 536870912"), 1) << policies();
  const auto own = backend_->dump();
  ASSERT_TRUE(own);
  EXPECT_EQ(own->policies.size(), 1u) << "the fence is no entry";
  ASSERT_TRUE(XfrmBackend::release());
  EXPECT_EQ(policies(), "");
  EXPECT_EQ(default_policy(), "accept accept accept");
}

TEST_F(XfrmPolicy, AnEntryForEverythingStandsBeforeTheFence) {
  ASSERT_TRUE(backend_->fence());
  PolicySpec all{.id = PolicyId{5},
                 .name = "clear",
                 .order = 16,
                 .action = Action::kBypass,
                 .selectors = {{ts("0.0.0.0/0")}, {ts("0.0.0.0/0")}},
                 .tunnel = {}};
  add(all);
  EXPECT_EQ(count(policies(), "priority 536870913"), 3) << "IPv6's alone " << policies();
  ASSERT_TRUE(backend_->remove_policy(all));
  EXPECT_EQ(count(policies(), "priority 536870913"), 6) << policies();
}

TEST_F(XfrmPolicy, UnknownPeerAndDiscardBlockBypassAllows) {
  PolicySpec p = office();
  p.tunnel.reset();
  add(p);
  EXPECT_EQ(count(policies(), "action block"), 3) << policies();
  p.action = Action::kBypass;
  add(p);
  EXPECT_EQ(count(policies(), "action block"), 0) << policies();
  EXPECT_EQ(count(policies(), "dir "), 4);
  p.action = Action::kDiscard;
  add(p);
  EXPECT_EQ(count(policies(), "action block"), 3) << policies();
}

TEST_F(XfrmPolicy, GatewayOffBlocksWhatIsProtectedAndOnBringsItBack) {
  add(office());
  PolicySpec web{.id = PolicyId{8},
                 .name = "web",
                 .order = 32,
                 .action = Action::kBypass,
                 .selectors = {{ts("192.0.2.0/24[tcp]")}, {ts("0.0.0.0/0[tcp/443]")}},
                 .tunnel = {}};
  add(web);
  ASSERT_TRUE(backend_->set_gateway(false));
  EXPECT_EQ(count(policies(), "action block"), 3) << policies();
  EXPECT_EQ(count(policies(), "tmpl"), 0) << policies();
  PolicySpec late = office(9);
  late.selectors.remote = {ts("198.51.101.0/24")};
  add(late);
  EXPECT_EQ(count(policies(), "tmpl"), 0) << "a policy that comes while the gateway is off is closed as well";
  ASSERT_TRUE(backend_->set_gateway(true));
  EXPECT_EQ(count(policies(), "action block"), 0) << policies();
  EXPECT_EQ(count(policies(), "tmpl"), 6) << policies();
}

TEST_F(XfrmPolicy, OneSelectorForTwoEntriesBelongsToTheFirstInOrder) {
  PolicySpec second = office(20);
  second.order = 32;
  second.action = Action::kDiscard;
  add(second);
  add(office(10));
  EXPECT_EQ(count(policies(), "action block"), 0) << policies();
  EXPECT_EQ(count(policies(), "reqid 10 "), 1) << policies();
  add(second);  // again: still the second
  EXPECT_EQ(count(policies(), "reqid 10 "), 1) << policies();
  ASSERT_TRUE(backend_->remove_policy(office(10)));
  EXPECT_EQ(count(policies(), "action block"), 3) << policies();
  ASSERT_TRUE(backend_->remove_policy(second));
  EXPECT_EQ(policies(), "");
}

TEST_F(XfrmPolicy, ChangedSelectorsKeepWhatBothHave) {
  PolicySpec p = office();
  p.selectors.remote = {ts("198.51.100.0/24"), ts("198.51.101.0/24")};
  add(p);
  EXPECT_EQ(count(policies(), "dir "), 8);
  p.selectors.remote = {ts("198.51.101.0/24"), ts("198.51.102.0/24")};
  add(p);
  EXPECT_EQ(count(policies(), "198.51.100.0/24"), 0) << policies();
  EXPECT_EQ(count(policies(), "198.51.101.0/24"), 4) << policies();
  EXPECT_EQ(count(policies(), "198.51.102.0/24"), 4) << policies();
}

// A restart: what the new run wants is put over what the old one left, then the old one's entries go. The
// kernel must not lose a policy that both have.
// RFC 4301 §4.4.1.2: one entry, though the kernel has several policies of it.
TEST_F(XfrmPolicy, EachSetOfSelectorsHasItsPoliciesAndNoOther) {
  PolicySpec two = office();
  two.selectors.more = {{{ts("192.0.2.128/25")}, {ts("203.0.113.0/24[tcp/443]")}}};
  add(two);
  const std::string both = policies();
  EXPECT_EQ(count(both, "src 192.0.2.0/25 dst 198.51.100.0/24"), 2) << "out, and to pass it on";
  EXPECT_EQ(count(both, "src 192.0.2.128/25 dst 203.0.113.0/24 proto tcp dport 443"), 2);
  EXPECT_EQ(count(both, "src 192.0.2.0/25 dst 203.0.113.0/24"), 0) << "of two sets";
  const auto installed = backend_->dump();
  ASSERT_TRUE(installed);
  ASSERT_EQ(installed->policies.size(), 1u);
  EXPECT_EQ(installed->policies[0], two);
  add(office());
  EXPECT_EQ(count(policies(), "dst 203.0.113.0/24"), 0);
  EXPECT_EQ(count(policies(), "src 192.0.2.0/25 dst 198.51.100.0/24"), 2);
}

TEST_F(XfrmPolicy, RemovingAFormerRunsEntryLeavesOurs) {
  add(office());
  auto restarted = XfrmBackend::open();
  ASSERT_TRUE(restarted);
  const auto left = (*restarted)->dump();
  ASSERT_TRUE(left);
  ASSERT_EQ(left->policies.size(), 4u);  // out, in, fwd, and fwd for what goes out
  EXPECT_EQ(std::ranges::count(left->policies, Action::kProtect, &PolicySpec::action), 3);
  PolicySpec now = office(3);
  ASSERT_TRUE((*restarted)->add_policy(now));
  for (const PolicySpec& p : left->policies) ASSERT_TRUE((*restarted)->remove_policy(p));
  EXPECT_EQ(count(policies(), "dir "), 4) << policies();
  EXPECT_EQ(count(policies(), "reqid 3 "), 1) << policies();
  const auto after = (*restarted)->dump();
  ASSERT_TRUE(after);
  ASSERT_EQ(after->policies.size(), 1u);
  EXPECT_EQ(after->policies[0], now);
}

TEST_F(XfrmPolicy, FormerEntriesGoWhereNobodyWantsThem) {
  PolicySpec p = office();
  p.selectors = {{ts("192.0.2.1-192.0.2.6[udp/1000-1003]")}, {ts("2001:db8::/32"), ts("198.51.100.9[17]")}};
  add(p);
  EXPECT_EQ(count(policies(), "dir "), 4 * 4) << policies();  // .1 .2/31 .4/31 .6
  auto restarted = XfrmBackend::open();
  ASSERT_TRUE(restarted);
  const auto left = (*restarted)->dump();
  ASSERT_TRUE(left);
  for (const PolicySpec& former : left->policies) ASSERT_TRUE((*restarted)->remove_policy(former));
  EXPECT_EQ(policies(), "");
}

TEST_F(XfrmPolicy, ReleaseLeavesOtherProgramsPolicies) {
  add(office());
  ASSERT_TRUE(runs("ip xfrm policy add src 10.0.0.0/8 dst 10.0.0.0/8 dir out priority 100"));
  ASSERT_TRUE(XfrmBackend::release());
  EXPECT_EQ(count(policies(), "dir "), 1) << policies();
  EXPECT_EQ(count(policies(), "10.0.0.0/8"), 2) << policies();
}

TEST_F(XfrmPolicy, IcmpTypesStandWhereTheKernelHasThem) {
  PolicySpec p = office();
  p.action = Action::kDiscard;
  p.tunnel.reset();
  p.selectors = {{ts("192.0.2.0/24[icmp/2048-2303]")}, {ts("198.51.100.0/24[icmp]")}};  // echo, any code
  add(p);
  EXPECT_EQ(count(policies(), "proto icmp type 8"), 3) << policies();
  EXPECT_EQ(count(policies(), "code"), 0) << policies();
}

TEST_F(XfrmPolicy, PacketWithoutAnSaIsAnAcquireWithItsSelectors) {
  ASSERT_TRUE(
      runs("ip link add xa type veth peer name xb && ip link set xb up && ip addr add 192.0.2.1/25 dev xa && "
           "ip link set xa up && "
           "ip route add 198.51.100.0/24 dev xa src 192.0.2.1 && ip addr add 203.0.113.1/24 dev xa"));
  add(office(7));
  EXPECT_FALSE(runs("ping -c1 -W1 -I 192.0.2.1 198.51.100.5")) << "there is no SA";
  std::vector<BackendEvent> events;
  ASSERT_TRUE(wait_for(backend_->fds()[0], [&] {
    for (BackendEvent& e : backend_->poll()) events.push_back(std::move(e));
    return !events.empty();
  }));
  const auto* acquire = std::get_if<AcquireEvent>(&events[0]);
  ASSERT_NE(acquire, nullptr);
  EXPECT_EQ(acquire->policy, PolicyId{7});
  EXPECT_EQ(acquire->source.addresses.text(), "192.0.2.1/32");
  EXPECT_EQ(acquire->destination.addresses.text(), "198.51.100.5/32");
  EXPECT_EQ(acquire->source.protocol, 1);
  EXPECT_EQ(acquire->source.ports, (PortRange{0x0800, 0x0800}));
  ASSERT_TRUE(runs("ip link del xa"));
}

TEST_F(XfrmPolicy, RefusedSaSaysWhatWasAsked) {
  SaSpec sa{.id = SaId{1},
            .spi = Spi{0x1234},
            .source = ip("203.0.113.1"),
            .destination = ip("203.0.113.2"),
            .suite = {find_encr("aes128gcm16"), nullptr},
            .encr_key = Secret(Buffer(16, 1)),
            .salt = Secret(Buffer(4, 2))};
  sa.replay_window = 5000;
  const auto refused = backend_->add_sa(std::make_shared<const SaSpec>(std::move(sa)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(
      refused.error().what,
      "installing ESP SA 0x00001234 to 203.0.113.2 in the kernel: its replay window is longer than 4096");
}

// Both want the kernel's one policy for all that is forwarded: the one with the lower priority has it.
TEST_F(XfrmPolicy, ABypassOfAllThatGoesOutStandsBeforeTheBlockOfWhatNothingMatches) {
  ASSERT_TRUE(backend_->fence());
  PolicySpec all = office();
  all.action = Action::kBypass;
  all.direction = PolicyDirection::kOut;
  all.selectors = {{ts("0.0.0.0/0")}, {ts("0.0.0.0/0")}};
  all.tunnel.reset();
  const auto blocked = [] {
    return runs("ip xfrm policy | grep -A1 'src 0.0.0.0/0 dst 0.0.0.0/0' | grep 'dir fwd action block'");
  };
  EXPECT_TRUE(blocked());
  add(all);
  EXPECT_FALSE(blocked()) << policies();
  ASSERT_TRUE(backend_->remove_policy(all));
  EXPECT_TRUE(blocked()) << policies();
}

// Another program in the kernel.
TEST_F(XfrmPolicy, FlushedPoliciesAreBackAndTheDefaultBlockedMeanwhile) {
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
TEST_F(XfrmPolicy, FlushedPoliciesComeBackInTheOrderInWhichTheyDecide) {
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

TEST_F(XfrmPolicy, RemovedOrReplacedPolicyIsBack) {
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

TEST_F(XfrmPolicy, PolicyOfAnotherThatLetsPassBeforeOursIsTold) {
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
}

// No notice told of those that were set before the start; what a former run left is not another's.
TEST_F(XfrmPolicy, PolicyOfAnotherFromBeforeTheStartIsToldOnce) {
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

TEST_F(XfrmPolicy, OpenedDefaultBlocksAgain) {
  ASSERT_TRUE(backend_->fence());
  ASSERT_TRUE(runs("ip xfrm policy setdefault out accept"));
  EXPECT_NE(told().find("opened the kernel's default policy"), std::string::npos);
  EXPECT_EQ(default_policy(), "block block block");
}

// A reload compares, whatever the notices said: here they went to nobody.
TEST_F(XfrmPolicy, RecheckFindsWhatNoNoticeTold) {
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

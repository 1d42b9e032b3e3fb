// SPDX-License-Identifier: Apache-2.0
// XfrmBackend's policies against this machine's kernel, which needs no ESP for them.
#include "tests/system/xfrm_policy.h"

#include <algorithm>
#include <vector>

namespace simplon::ctrl {
namespace {

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

}  // namespace
}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// Fragments through an SA with ports (RFC 7296 §1.3.1, NON_FIRST_FRAGMENTS_ALSO), and an SA of their own (RFC
// 4301 §7.2).
#include "tests/ike/two_endpoints.h"

namespace simplon::ike::test {
namespace {

std::shared_ptr<Connection> with_ports(bool left, FragmentHandling fragments) {
  auto c = connection(left);
  ChildConfig& child = c->children[0];
  TrafficSelector& server = left ? child.selectors.remote[0] : child.selectors.local[0];
  server.protocol = 17;
  server.ports = {2000, 2000};
  child.fragments = fragments;
  return c;
}

void expect_fragments(const Pair& pair, FragmentHandling wanted) {
  for (const Side* side : {&pair.left, &pair.right})
    for (const auto& [id, sa] : side->installed) EXPECT_EQ(sa->fragments, wanted);
  EXPECT_EQ(pair.left.installed.size(), 2u);
}

TEST(Rfc7296_1_3_1, FragmentsAlsoIsWhatBothEndsSay) {
  constexpr auto kAlso = FragmentHandling::kAlso, kNot = FragmentHandling::kReassemble;
  for (const auto& [left, right] : {std::pair(kAlso, kAlso), {kAlso, kNot}, {kNot, kAlso}, {kNot, kNot}}) {
    const FragmentHandling wanted = left == kAlso && right == kAlso ? kAlso : kNot;
    Pair pair(with_ports(true, left), with_ports(false, right));
    pair.initiate();  // in IKE_AUTH
    ASSERT_TRUE(pair.left.up() && pair.right.up());
    expect_fragments(pair, wanted);
    for (Side* side : {&pair.left, &pair.right}) {  // in CREATE_CHILD_SA, both ways
      side->endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);
      pair.pump();
      pair.wait(10s);
      EXPECT_TRUE(side->done(5) && side->done(5)->ok);
      expect_fragments(pair, wanted);
      pair.expect_working();
    }
  }
}

// The child that the configuration makes beside one with `own-sa`.
std::shared_ptr<Connection> with_later(bool left) {
  auto c = with_ports(left, FragmentHandling::kOwnSa);
  c->children.push_back(c->children[0]);
  ChildConfig& later = c->children[1];
  later.name = "net-fragments";
  later.policy = PolicyId{8};
  later.fragments = FragmentHandling::kLater;
  for (ChildConfig& child : c->children) child.start = StartAction::kTrap;
  (left ? later.selectors.remote : later.selectors.local)[0].ports = PortRange::opaque();
  return c;
}

TEST(Rfc4301_7_2, ALaterFragmentAsksForTheSaOfOpaquePorts) {
  Pair pair(with_later(true), with_later(false));
  TrafficSelector from = *TrafficSelector::parse("198.18.1.7[udp]"),
                  to = *TrafficSelector::parse("198.18.2.7[udp]");
  pair.left.endpoint.acquire(PolicyId{8}, from, to, pair.now);
  pair.pump();
  for (const Side* side : {&pair.left, &pair.right}) {
    ASSERT_EQ(side->status().children.size(), 1u);
    EXPECT_EQ(side->status().children[0].name, "net-fragments");
    const Selectors s = side->status().children[0].selectors;
    EXPECT_TRUE((side == &pair.left ? s.remote : s.local)[0].ports.is_opaque()) << s.text();
    for (const auto& [id, sa] : side->installed) EXPECT_EQ(sa->fragments, FragmentHandling::kLater);
    EXPECT_FALSE(side->logged("is not for the packet")) << "the peer took it as it was asked for";
  }
  from.ports = {1025, 1025}, to.ports = {2000, 2000};
  pair.left.endpoint.acquire(PolicyId{7}, from, to, pair.now);
  pair.pump();
  ASSERT_EQ(pair.left.status().children.size(), 2u);
  EXPECT_EQ(pair.left.status().children[1].name, "net");
  pair.expect_working();
}

}  // namespace
}  // namespace simplon::ike::test

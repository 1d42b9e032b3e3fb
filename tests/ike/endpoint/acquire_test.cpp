// SPDX-License-Identifier: Apache-2.0
// Packets that ask for SAs (RFC 7296 §2.9), where the peer has one SA per subnet: the right end has a child
// for each half of the network that the left end has in one.
#include "ike/endpoint/endpoint.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

constexpr const char *kLow = "198.18.2.0/25", *kHigh = "198.18.2.128/25";

std::shared_ptr<Connection> whole() {
  auto c = connection(true);
  c->children[0].start = StartAction::kTrap;
  return c;
}

std::shared_ptr<Connection> halves() {
  auto c = connection(false);
  c->children.push_back(c->children[0]);
  c->children[0].name = "low";
  c->children[1].name = "high";
  c->children[0].selectors.local = {*TrafficSelector::parse(kLow)};
  c->children[1].selectors.local = {*TrafficSelector::parse(kHigh)};
  return c;
}

class OneSaPerSubnet : public testing::Test {
 protected:
  void packet_to(const char* address, std::uint16_t port = 80) {
    TrafficSelector to = *TrafficSelector::parse(address), from = *TrafficSelector::parse("198.18.1.7/32");
    to.protocol = from.protocol = 6;
    to.ports = {port, port};
    from.ports = {1025, 1025};
    pair.left.endpoint.acquire(PolicyId{7}, from, to, pair.now);
    pair.pump();
  }
  // What the left end's SAs are for, one a subnet.
  std::vector<std::string> subnets() {
    std::vector<std::string> out;
    for (const ChildStatus& child : pair.left.status().children) out.push_back(text(child.selectors.remote));
    std::ranges::sort(out);
    return out;
  }
  void expect_both() {
    EXPECT_THAT(subnets(), testing::ElementsAre(kLow, kHigh));
    EXPECT_EQ(pair.right.status().children.size(), 2u);
  }

  Pair pair{whole(), halves()};
};

TEST_F(OneSaPerSubnet, Rfc7296_2_9_EachPacketGetsItsSa) {
  for (const bool low_first : {true, false}) {
    packet_to(low_first ? "198.18.2.1/32" : "198.18.2.129/32");
    EXPECT_THAT(subnets(), testing::ElementsAre(low_first ? kLow : kHigh));
    packet_to(low_first ? "198.18.2.1/32" : "198.18.2.129/32");
    EXPECT_EQ(subnets().size(), 1u);
    packet_to(low_first ? "198.18.2.129/32" : "198.18.2.1/32");
    expect_both();
    pair.left.endpoint.terminate(ByName{"sites", ""}, 1, pair.now);
    pair.wait(1s);
  }
}

TEST_F(OneSaPerSubnet, Rfc7296_2_9_WhoeverMadeTheFirst) {
  pair.initiate();  // without a packet: the peer takes what comes first
  EXPECT_EQ(subnets().size(), 1u);
  packet_to("198.18.2.1/32");
  packet_to("198.18.2.129/32");
  expect_both();
  pair.left.endpoint.terminate(ByName{"sites", ""}, 1, pair.now);
  pair.wait(1s);
  pair.right.endpoint.initiate("sites", "high", 2, pair.now);
  pair.pump();
  packet_to("198.18.2.129/32");
  EXPECT_EQ(subnets().size(), 1u);
  packet_to("198.18.2.1/32");
  expect_both();
}

TEST_F(OneSaPerSubnet, Rfc7296_2_9_2_ARekeyKeepsTheSubnet) {
  packet_to("198.18.2.1/32");
  packet_to("198.18.2.129/32");
  for (Side* side : {&pair.left, &pair.right}) {
    for (const ChildStatus& child : side->status().children)
      side->endpoint.rekey(ChildSaOnly{child.id}, 0, pair.now);
    pair.pump();
    pair.wait(10s);
    expect_both();
    EXPECT_EQ(pair.left.installed.size(), 4u);
  }
}

TEST_F(OneSaPerSubnet, Rfc7296_2_9_WhatWasAskedForTogetherComesTogether) {
  const TrafficSelector from = *TrafficSelector::parse("198.18.1.7/32");
  for (const char* to : {"198.18.2.1/32", "198.18.2.129/32", "198.18.2.1/32"})
    pair.left.endpoint.acquire(PolicyId{7}, from, *TrafficSelector::parse(to), pair.now);
  pair.pump();
  expect_both();
}

// A child of which each remote host and port has an SA of its own.
class OneSaPerPacket : public testing::Test {
 protected:
  static std::shared_ptr<Connection> with_pfp(bool left, bool pfp) {
    auto c = connection(left);
    c->children[0].start = StartAction::kTrap;
    if (pfp) c->children[0].pfp = {.protocol = true, .local_port = !left, .remote_port = left};
    if (pfp) (left ? c->children[0].pfp.remote : c->children[0].pfp.local) = true;
    return c;
  }
  static void packet(Pair& pair, const char* to, std::uint16_t port, const char* from = "198.18.1.7") {
    TrafficSelector remote = *TrafficSelector::parse(to), local = *TrafficSelector::parse(from);
    remote.protocol = local.protocol = 6;
    remote.ports = {port, port}, local.ports = {1025, 1025};
    pair.left.endpoint.acquire(PolicyId{7}, local, remote, pair.now);
    pair.pump();
  }
  static std::vector<std::string> selectors(Side& side) {
    std::vector<std::string> out;
    for (const ChildStatus& child : side.status().children) out.push_back(child.selectors.text());
    std::ranges::sort(out);
    return out;
  }
};

TEST_F(OneSaPerPacket, Rfc4301_4_4_1_DifferentPacketsOfAnEntryGetSasOfTheirOwn) {
  Pair pair{with_pfp(true, true), with_pfp(false, false)};
  packet(pair, "198.18.2.1", 80);
  EXPECT_THAT(selectors(pair.left), testing::ElementsAre("198.18.1.0/24[tcp] === 198.18.2.1/32[tcp/80]"));
  packet(pair, "198.18.2.1", 80, "198.18.1.8");
  EXPECT_EQ(selectors(pair.left).size(), 1u) << "our own host is not a value of its packet";
  packet(pair, "198.18.2.1", 443);
  packet(pair, "198.18.2.2", 80);
  const auto all = selectors(pair.left);
  EXPECT_THAT(all, testing::ElementsAre("198.18.1.0/24[tcp] === 198.18.2.1/32[tcp/443]",
                                        "198.18.1.0/24[tcp] === 198.18.2.1/32[tcp/80]",
                                        "198.18.1.0/24[tcp] === 198.18.2.2/32[tcp/80]"));
  for (const ChildStatus& child : pair.left.status().children)
    pair.left.endpoint.rekey(ChildSaOnly{child.id}, 0, pair.now);
  pair.pump();
  pair.wait(10s);
  EXPECT_EQ(selectors(pair.left), all) << "a rekey keeps them";
}

TEST_F(OneSaPerPacket, Rfc4301_4_4_1_TheResponderPopulatesFromTheFirstSelectors) {
  Pair pair{with_pfp(true, false), with_pfp(false, true)};
  packet(pair, "198.18.2.1", 80);
  packet(pair, "198.18.2.2", 80);
  EXPECT_THAT(selectors(pair.left), testing::ElementsAre("198.18.1.0/24[tcp] === 198.18.2.1/32[tcp/80]",
                                                         "198.18.1.0/24[tcp] === 198.18.2.2/32[tcp/80]"));
}

TEST_F(OneSaPerPacket, WithoutAPacketThereIsNone) {
  Pair pair{with_pfp(true, true), with_pfp(false, false)};
  pair.initiate();
  EXPECT_TRUE(selectors(pair.left).empty());
  packet(pair, "198.18.2.1", 80);
  EXPECT_EQ(selectors(pair.left).size(), 1u);
}

TEST_F(OneSaPerPacket, AHostHasSoManyAsItAsksFor) {
  Pair pair{with_pfp(true, true), with_pfp(false, true)};
  for (std::uint16_t port = 1; port <= 40; ++port) packet(pair, "198.18.2.1", port);
  EXPECT_EQ(selectors(pair.left).size(), 40u);
  EXPECT_EQ(selectors(pair.right).size(), 40u);
}

// A host that tries every port makes no more SAs than the child may have, at either end.
TEST_F(OneSaPerPacket, NoMoreThanTheLimitOfEitherEnd) {
  for (const bool ours : {true, false}) {
    auto l = with_pfp(true, true), r = with_pfp(false, true);
    (ours ? l : r)->children[0].pfp_limit = 3;
    Pair pair{l, r};
    for (std::uint16_t port = 1; port <= 5; ++port) packet(pair, "198.18.2.1", port);
    EXPECT_EQ(selectors(pair.left).size(), 3u);
    EXPECT_EQ(selectors(pair.right).size(), 3u);
    EXPECT_TRUE((ours ? pair.left : pair.right).logged("3 SAs already, its pfp_limit"));
    for (const ChildStatus& child : pair.left.status().children)
      pair.left.endpoint.rekey(ChildSaOnly{child.id}, 0, pair.now);
    pair.pump();
    pair.wait(10s);
    EXPECT_EQ(selectors(pair.left).size(), 3u) << "those that are there are rekeyed";
  }
}

TEST_F(OneSaPerSubnet, ASubnetThatThePeerClosesComesBackByItself) {
  auto c = whole();
  c->children[0].close = CloseAction::kStart;
  pair.left.endpoint.configure({c}, pair.now);
  packet_to("198.18.2.1/32");
  packet_to("198.18.2.129/32");
  pair.right.endpoint.terminate(ByName{"sites", "high"}, 1, pair.now);
  pair.pump();
  pair.wait(1s);
  expect_both();
}

TEST(Rfc7296_2_9, APacketThatThePeerGivesNoSaAsksAgainAfterAWhile) {
  auto r = connection(false);
  r->children[0].selectors.local = {*TrafficSelector::parse(kLow)};
  Pair pair(whole(), r);
  const TrafficSelector from = *TrafficSelector::parse("198.18.1.7/32"),
                        to = *TrafficSelector::parse("198.18.2.129/32");
  const auto ask = [&](const TrafficSelector& destination) {
    const std::size_t before = pair.left.sent.size();
    pair.left.endpoint.acquire(PolicyId{7}, from, destination, pair.now);
    pair.pump();
    return pair.left.sent.size() != before;
  };
  EXPECT_TRUE(ask(to));
  EXPECT_TRUE(pair.left.logged("not for the packet that asked for it"));
  EXPECT_EQ(pair.left.status().children.size(), 1u);
  EXPECT_FALSE(ask(to)) << "held";
  EXPECT_FALSE(ask(*TrafficSelector::parse("198.18.2.1/32"))) << "has its SA";
  pair.wait(31s);
  EXPECT_TRUE(ask(to));
  pair.wait(10s);
  EXPECT_EQ(pair.left.status().children.size(), 1u) << "the second SA of the same selectors goes";
  EXPECT_EQ(pair.right.installed.size(), 2u);
  // A host that tries addresses does not keep the IKE SA busy for ever.
  unsigned asked = 0;
  for (unsigned host = 130; host < 250; ++host)
    asked += ask(*TrafficSelector::parse("198.18.2." + std::to_string(host) + "/32"));
  EXPECT_LT(asked, 65u);
  pair.wait(10s);
  EXPECT_EQ(pair.right.installed.size(), 2u);
}

}  // namespace
}  // namespace simplon::ike::test

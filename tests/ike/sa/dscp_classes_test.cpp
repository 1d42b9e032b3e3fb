// SPDX-License-Identifier: Apache-2.0
// A child SA for each class of traffic (RFC 4301 §4.1), which RFC 7296 §2.9 knows as several SAs with the
// same selectors.
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

std::shared_ptr<Connection> with_classes(bool left, std::uint8_t count) {
  auto c = connection(left);
  c->children[0].classes.count = count;
  for (std::uint8_t n = 1; n < count; ++n) c->children[0].classes.of[n * 8u] = n;
  return c;
}

// Of the outbound SAs.
std::vector<unsigned> classes(const Side& side) {
  std::vector<unsigned> out;
  out.reserve(side.outbound.size());
  for (const SaRef& sa : side.outbound) out.push_back(sa->dscp_class);
  std::ranges::sort(out);
  return out;
}
using testing::ElementsAre;

TEST(Rfc4301_4_1, TheInitiatorMakesAChildForEachClassAfterClass0) {
  Pair pair(with_classes(true, 3), connection(false));
  pair.initiate();
  pair.wait(1s);
  EXPECT_THAT(classes(pair.left), ElementsAre(0, 1, 2));
  EXPECT_THAT(classes(pair.right), ElementsAre(0, 0, 0)) << "the peer need not know";
  const std::vector<ChildStatus> theirs = pair.right.status().children;
  ASSERT_EQ(theirs.size(), 3u);
  for (const ChildStatus& child : theirs) EXPECT_EQ(child.selectors, theirs[0].selectors);
  EXPECT_TRUE(pair.left.logged("for DSCP class 2"));
  pair.wait(30s);
  EXPECT_EQ(pair.left.status().children.size(), 3u) << "and no more";
}

TEST(Rfc4301_4_1, WhereBothEndsHaveClassesEachSaServesBothWays) {
  Pair pair(with_classes(true, 3), with_classes(false, 3));
  pair.initiate();
  pair.wait(30s);
  EXPECT_THAT(classes(pair.left), ElementsAre(0, 1, 2));
  EXPECT_THAT(classes(pair.right), ElementsAre(0, 1, 2));
  const std::vector<ChildStatus> ours = pair.left.status().children, theirs = pair.right.status().children;
  for (const ChildStatus& child : ours)
    for (const ChildStatus& other : theirs)
      if (child.spi_in == other.spi_out) {
        EXPECT_EQ(child.dscp_class, other.dscp_class);
      }
}

TEST(Rfc4301_4_1, TheResponderMakesWhatThePeerDoesNot) {
  Pair pair(connection(true), with_classes(false, 2));
  pair.initiate();
  pair.wait(5s);
  EXPECT_THAT(classes(pair.right), ElementsAre(0)) << "it gives the peer time";
  pair.wait(10s);
  EXPECT_THAT(classes(pair.right), ElementsAre(0, 1));
  EXPECT_EQ(pair.left.status().children.size(), 2u);
}

TEST(Rfc4301_4_1, ARekeyKeepsTheClassWhoeverBegins) {
  Pair pair(with_classes(true, 3), with_classes(false, 3));
  pair.initiate();
  pair.wait(1s);
  for (Side* side : {&pair.left, &pair.right}) {
    const std::vector<ChildStatus> before = side->status().children;
    for (const ChildStatus& child : before) {
      side->endpoint.rekey(ChildSaOnly{child.id}, 0, pair.now);
      pair.pump();
      pair.wait(6s);
    }
    EXPECT_THAT(classes(pair.left), ElementsAre(0, 1, 2));
    EXPECT_THAT(classes(pair.right), ElementsAre(0, 1, 2));
    const std::vector<ChildStatus> after = side->status().children;
    for (const ChildStatus& child : after)
      for (const ChildStatus& old : before) EXPECT_NE(child.spi_in, old.spi_in);
  }
}

// Class 0 serves the others meanwhile; the next one of class 0 brings them back.
TEST(Rfc4301_4_1, AClassThatWentComesBackWithTheNextSaOfClass0) {
  Pair pair(with_classes(true, 2), connection(false));
  pair.initiate();
  pair.wait(1s);
  ASSERT_THAT(classes(pair.left), ElementsAre(0, 1));
  const std::vector<ChildStatus> children = pair.left.status().children;
  for (const ChildStatus& child : children)
    if (child.dscp_class == 1) pair.left.endpoint.terminate(ChildSaOnly{child.id}, 0, pair.now);
  pair.pump();
  EXPECT_THAT(classes(pair.left), ElementsAre(0));
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 0, pair.now);
  pair.pump();
  pair.wait(6s);
  EXPECT_THAT(classes(pair.left), ElementsAre(0, 1));
}

// Of a class that has no SA, or of class 0 while that has none.
void packet_of(Side& side, Now now) {
  const bool left = side.status().local.address == *IpAddress::parse("198.51.100.1");
  const TrafficSelector ours = *TrafficSelector::parse("198.18.1.10[udp/1000]"),
                        theirs = *TrafficSelector::parse("198.18.2.10[udp/2000]");
  side.endpoint.acquire(PolicyId{7}, left ? ours : theirs, left ? theirs : ours, now);
}

void end_class(Pair& pair, Side& side, unsigned dscp_class) {
  const std::vector<ChildStatus> children = side.status().children;
  for (const ChildStatus& child : children)
    if (child.dscp_class == dscp_class) side.endpoint.terminate(ChildSaOnly{child.id}, 0, pair.now);
  pair.pump();
}

TEST(Rfc4301_4_1, AClassThatWentComesBackByItsOwnTraffic) {
  Pair pair(with_classes(true, 3), with_classes(false, 3));
  pair.initiate();
  pair.wait(20s);
  for (Side* side : {&pair.left, &pair.right})
    for (const unsigned which : {1u, 2u}) {
      end_class(pair, *side, which);
      pair.wait(40s);
      ASSERT_EQ(classes(*side).size(), 2u) << "nobody asks";
      packet_of(*side, pair.now);
      packet_of(*side, pair.now);
      pair.pump();
      if (side == &pair.right) {
        EXPECT_EQ(classes(*side).size(), 2u) << "who has made class 0 has time to ask";
        pair.wait(11s);
      }
      EXPECT_THAT(classes(pair.left), ElementsAre(0, 1, 2));
      EXPECT_THAT(classes(pair.right), ElementsAre(0, 1, 2));
      packet_of(*side, pair.now);
      pair.pump();
      pair.wait(1s);
      EXPECT_EQ(pair.left.status().children.size(), 3u) << "all are there";
    }
}

TEST(Rfc4301_4_1, AClassThatBothEndsMissIsMadeOnce) {
  Pair pair(with_classes(true, 2), with_classes(false, 2));
  pair.initiate();
  pair.wait(20s);
  end_class(pair, pair.left, 1);
  for (Side* side : {&pair.left, &pair.right}) packet_of(*side, pair.now);
  pair.pump();
  EXPECT_THAT(classes(pair.left), ElementsAre(0, 1));
  pair.wait(15s);
  for (const Side* side : {&pair.left, &pair.right}) EXPECT_THAT(classes(*side), ElementsAre(0, 1));
}

// §2.9: the peer has a child for each half of ours, so each half has classes of its own.
TEST(Rfc4301_4_1, WhereThePeerNarrowsEachPartHasItsClasses) {
  const auto ours = with_classes(true, 2), theirs = with_classes(false, 2);
  ours->children[0].start = StartAction::kTrap;
  theirs->children.push_back(theirs->children[0]);
  theirs->children[1].name = "net2";
  theirs->children[1].policy = PolicyId{8};
  theirs->children[0].selectors.local = {*TrafficSelector::parse("198.18.2.0/25")};
  theirs->children[1].selectors.local = {*TrafficSelector::parse("198.18.2.128/25")};
  Pair pair(ours, theirs);
  const TrafficSelector host = *TrafficSelector::parse("198.18.1.10[udp/1000]");
  for (int second = 0; second < 3; ++second) {
    for (const char* to : {"198.18.2.10[udp/2000]", "198.18.2.210[udp/2000]"}) {
      pair.left.endpoint.acquire(PolicyId{7}, host, *TrafficSelector::parse(to), pair.now);
      pair.pump();
    }
    pair.wait(1s);
  }
  pair.wait(20s);
  for (const Side* side : {&pair.left, &pair.right}) {
    std::vector<std::string> found;
    const std::vector<ChildStatus> children = side->status().children;
    for (const ChildStatus& child : children) {
      const Selectors& s = child.selectors;
      const TrafficSelectors& part = side == &pair.left ? s.remote : s.local;
      found.push_back(part.front().text() + " " + std::to_string(child.dscp_class));
    }
    EXPECT_THAT(found, testing::UnorderedElementsAre("198.18.2.0/25 0", "198.18.2.0/25 1",
                                                     "198.18.2.128/25 0", "198.18.2.128/25 1"));
  }
}

// Its packets are dropped then, and it is not started by traffic.
TEST(Rfc4301_4_1, WithoutClass0TrafficStartsNothingThatIsStartedByHand) {
  Pair pair(with_classes(true, 2), connection(false));
  packet_of(pair.left, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.left.endpoint.status().empty());
}

std::size_t lines(const Side& side, const std::string& what) {
  return static_cast<std::size_t>(std::ranges::count_if(
      side.log, [&](const std::string& line) { return line.find(what) != std::string::npos; }));
}

// A peer that takes no more is not asked with each packet.
TEST(Rfc4301_4_1, AClassThatThePeerRefusesIsAskedForLater) {
  Now now{1000s};
  Side side(1);
  auto c = with_classes(true, 2);
  c->dpd_delay = 0s;
  c->children[0].start = StartAction::kStart;
  side.endpoint.configure({c}, now, Endpoint::Start::kHold);
  BarePeer peer(side, now);
  peer.authenticate_with_child(0x2000);
  const auto refuses = [&] {
    const auto request = peer.hear();
    if (!request || request->header.exchange != Exchange::kCreateChildSa) return false;
    PayloadWriter no;
    no.notify(NotifyType::kNoAdditionalSas, {});
    peer.say(Exchange::kCreateChildSa, true, request->header.message_id, no);
    return true;
  };
  now += 11s;
  side.endpoint.tick(now);
  ASSERT_TRUE(refuses()) << "we asked when the peer had made none";
  packet_of(side, now);
  EXPECT_FALSE(refuses()) << "it has just refused one";
  EXPECT_EQ(side.warnings, 1u);
  EXPECT_GT(side.endpoint.deadline().value_or(now + 1h), now + 1min) << "the connection has nothing to retry";
  now += 31s;
  side.endpoint.tick(now);
  packet_of(side, now);
  now += 11s;
  side.endpoint.tick(now);
  EXPECT_TRUE(refuses()) << "and the peer has made none again";
  packet_of(side, now);
  EXPECT_FALSE(refuses());
  EXPECT_EQ(side.warnings, 1u) << "told once";
  EXPECT_EQ(lines(side, "child net failed"), 2u);
}

// As many packets in a second as workers let ask.
void second_of_packets(Pair& pair, Side& side) {
  for (int i = 0; i < 10; ++i) {
    packet_of(side, pair.now);
    pair.pump();
    pair.wait(100ms);
  }
}

TEST(Rfc4301_4_1, AClassThatCannotBeInstalledIsNotMadeAgainAtOnce) {
  Pair pair(with_classes(true, 2), connection(false));
  pair.initiate();
  ASSERT_THAT(classes(pair.left), ElementsAre(0, 1));
  pair.left.endpoint.not_installed(pair.left.outbound.back()->id, "no room for another SA", pair.now);
  pair.pump();
  ASSERT_THAT(classes(pair.left), ElementsAre(0));
  second_of_packets(pair, pair.left);
  EXPECT_THAT(classes(pair.left), ElementsAre(0));
  EXPECT_EQ(lines(pair.left, "for DSCP class 1"), 1u);
  pair.wait(90s);
  packet_of(pair.left, pair.now);
  pair.pump();
  EXPECT_THAT(classes(pair.left), ElementsAre(0, 1)) << "there may be room now";
}

TEST(Rfc4301_4_1, AClassThatThePeerDoesNotWantIsNotMadeAgainAtOnce) {
  for (const CloseAction close : {CloseAction::kNone, CloseAction::kStart}) {
    auto c = with_classes(true, 3);
    c->children[0].close = close;
    Pair pair(c, connection(false));
    pair.initiate();
    ASSERT_THAT(classes(pair.left), ElementsAre(0, 1, 2));
    const Spi of_class = pair.left.outbound[1]->spi;
    const std::vector<ChildStatus> theirs = pair.right.status().children;
    for (const ChildStatus& child : theirs)
      if (child.spi_in == of_class) pair.right.endpoint.terminate(ChildSaOnly{child.id}, 0, pair.now);
    pair.pump();
    ASSERT_THAT(classes(pair.left), ElementsAre(0, 2));
    second_of_packets(pair, pair.left);
    EXPECT_THAT(classes(pair.left), ElementsAre(0, 2));
    EXPECT_EQ(lines(pair.left, "for DSCP class 1"), 1u);
    pair.wait(31s);
    packet_of(pair.left, pair.now);
    pair.pump();
    EXPECT_THAT(classes(pair.left), ElementsAre(0, 1, 2)) << "it may want it now";
  }
}

TEST(Rfc4301_4_1, AReloadThatChangesTheClassesMakesTheChildrenAnew) {
  const auto started = [](std::uint8_t count) {
    auto c = with_classes(true, count);
    c->children[0].start = StartAction::kStart;
    return c;
  };
  Pair pair(started(3), connection(false));
  pair.wait(2s);
  ASSERT_THAT(classes(pair.left), ElementsAre(0, 1, 2));
  const auto spis = [&] {
    std::vector<Spi> out;
    const std::vector<ChildStatus> children = pair.left.status().children;
    out.reserve(children.size());
    for (const ChildStatus& child : children) out.push_back(child.spi_in);
    return out;
  };
  const std::vector<Spi> before = spis();
  pair.left.endpoint.configure({started(3)}, pair.now);
  pair.pump();
  pair.wait(2s);
  EXPECT_EQ(spis(), before) << "nothing changed";
  pair.left.endpoint.configure({started(2)}, pair.now);
  pair.pump();
  pair.wait(10s);
  EXPECT_THAT(classes(pair.left), ElementsAre(0, 1));
  EXPECT_EQ(pair.right.status().children.size(), 2u);
  for (const Spi spi : spis()) EXPECT_EQ(std::ranges::find(before, spi), before.end());
  pair.left.endpoint.configure({started(4)}, pair.now);
  pair.pump();
  pair.wait(10s);
  EXPECT_THAT(classes(pair.left), ElementsAre(0, 1, 2, 3));
  pair.left.endpoint.configure({started(1)}, pair.now);
  pair.pump();
  pair.wait(10s);
  EXPECT_THAT(classes(pair.left), ElementsAre(0));
}

// What waits goes on waiting in the successor of a rekeyed IKE SA.
TEST(Rfc7296_2_18, WhatIsForLaterIsForLaterAfterARekeyToo) {
  Pair pair(connection(true), with_classes(false, 2));
  pair.initiate();
  pair.left.endpoint.rekey(ByName{"sites", ""}, 0, pair.now);
  pair.pump();
  pair.wait(5s);
  EXPECT_TRUE(pair.right.logged("rekeyed"));
  EXPECT_THAT(classes(pair.right), ElementsAre(0)) << "the peer still has time";
  pair.wait(10s);
  EXPECT_THAT(classes(pair.right), ElementsAre(0, 1));
}

}  // namespace
}  // namespace simplon::ike::test

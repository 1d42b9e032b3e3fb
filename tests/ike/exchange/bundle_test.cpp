// SPDX-License-Identifier: Apache-2.0
// Bundles (RFC 4301 §4.5): an ESP child, and the AH child around its packets, that come and go together.
#include <random>

#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

constexpr PolicyId kEspEntry{7}, kAhEntry{8};

std::shared_ptr<Connection> bundle(bool left, const char* ah_proposal = "sha256") {
  auto c = connection(left);
  ChildConfig ah = c->children[0];
  ah.name = "net+ah";
  ah.protocol = IpsecProtocol::kAh;
  ah.proposals = {*Proposal::parse(ah_proposal, ProtocolId::kAh)};
  ah.selectors = {};
  ah.dynamic_protocol = kEsp;
  ah.mode = SaMode::kTransport;
  ah.policy = kAhEntry;
  ah.other_half = "net";
  c->children[0].other_half = ah.name;
  c->children[0].over = ah.policy;
  c->children.insert(c->children.begin(), ah);
  return c;
}

// Two children that know nothing of each other, as another's gateway has them.
std::shared_ptr<Connection> apart(bool left) {
  auto c = bundle(left);
  for (ChildConfig& child : c->children) {
    child.other_half.clear();
    child.over = {};
  }
  return c;
}

std::string children(const Side& side) {
  std::string out;
  for (const ChildStatus& c : side.status().children) out += c.name + " ";
  return out;
}

void expect_bundle(const Pair& pair) {
  for (const Side* side : {&pair.left, &pair.right}) {
    ASSERT_EQ(side->status().children.size(), 2u);
    ASSERT_EQ(side->installed.size(), 4u);
    for (const auto& [id, sa] : side->installed) {
      const bool esp = sa->protocol == IpsecProtocol::kEsp;
      EXPECT_EQ(sa->policy, esp ? kEspEntry : kAhEntry);
      EXPECT_EQ(sa->over, esp ? kAhEntry : PolicyId{});
      EXPECT_EQ(sa->mode, esp ? SaMode::kTunnel : SaMode::kTransport);
      if (!esp) {
        EXPECT_EQ(sa->selectors.text(), side == &pair.left ? "198.51.100.1/32[50] === 198.51.100.2/32[50]"
                                                           : "198.51.100.2/32[50] === 198.51.100.1/32[50]");
      }
      EXPECT_TRUE(possible_sa(*sa));
    }
  }
}

TEST(Rfc4301_4_5, WhoAsksForEitherHalfGetsBoth) {
  for (const char* half : {"net", "net+ah"}) {
    Pair pair(bundle(true), bundle(false));
    pair.left.endpoint.initiate("sites", half, 1, pair.now);
    pair.pump();
    ASSERT_TRUE(pair.left.done(1) && pair.left.done(1)->ok) << half;
    expect_bundle(pair);
    EXPECT_EQ(pair.left.status().children[0].name, "net+ah") << "first the one that is around the other";
    pair.wait(20s);
    expect_bundle(pair);
  }
}

TEST(Rfc4301_4_5, APacketAsksForBoth) {
  auto l = bundle(true);
  for (ChildConfig& child : l->children) child.start = StartAction::kTrap;
  Pair pair(l, bundle(false));
  pair.left.endpoint.acquire(kEspEntry, *TrafficSelector::parse("198.18.1.10/32[17/1000]"),
                             *TrafficSelector::parse("198.18.2.10/32[17/2000]"), pair.now);
  pair.pump();
  expect_bundle(pair);
}

TEST(Rfc7296_2_8, EachHalfIsRekeyedByItself) {
  Pair pair(bundle(true), bundle(false));
  pair.initiate();
  std::uint64_t ticket = 10;
  for (Side* side : {&pair.left, &pair.right})
    for (const char* half : {"net", "net+ah"}) {
      std::map<std::string, Spi> before, after;
      for (const ChildStatus& c : side->status().children) before[c.name] = c.spi_in;
      side->endpoint.rekey(ByName{"sites", half}, ++ticket, pair.now);
      pair.pump();
      pair.wait(10s);
      ASSERT_TRUE(side->done(ticket) && side->done(ticket)->ok);
      expect_bundle(pair);
      for (const ChildStatus& c : side->status().children) {
        EXPECT_EQ(before[c.name] == c.spi_in, c.name != half) << c.name;
      }
    }
  pair.left.endpoint.rekey(ByName{"sites", ""}, 9, pair.now);
  pair.pump();
  pair.wait(10s);
  expect_bundle(pair);
}

TEST(Rfc4301_4_5, WhenOneHalfGoesTheOtherGoes) {
  for (const bool by_left : {true, false})
    for (const char* half : {"net", "net+ah"}) {
      Pair pair(bundle(true), bundle(false));
      pair.initiate();
      Side& side = by_left ? pair.left : pair.right;
      side.endpoint.terminate(ByName{"sites", half}, 5, pair.now);
      pair.pump();
      pair.wait(35s);  // until then a responder does not know whether its peer has them
      ASSERT_TRUE(side.done(5) && side.done(5)->ok);
      EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty()) << half;
      EXPECT_EQ(pair.left.status().state, IkeState::kEstablished);
    }
}

TEST(Rfc4301_4_5, WhatIsToBeUpComesBackWhole) {
  for (const char* half : {"net", "net+ah"}) {
    auto l = bundle(true);
    for (ChildConfig& child : l->children)
      child.start = StartAction::kStart, child.close = CloseAction::kStart;
    Pair pair(l, bundle(false));
    expect_bundle(pair);
    pair.right.endpoint.terminate(ByName{"sites", half}, 5, pair.now);
    pair.pump();
    pair.wait(20s);
    expect_bundle(pair);
  }
}

TEST(Rfc4301_4_5, AHardLimitOfOneHalfReplacesIt) {
  auto l = bundle(true);
  for (ChildConfig& child : l->children) child.start = StartAction::kStart;
  Pair pair(l, bundle(false));
  pair.wait(70s);
  const auto sas = pair.left.sas(Direction::kOut);
  const auto ah = std::ranges::find(sas, IpsecProtocol::kAh, [](const SaRef& sa) { return sa->protocol; });
  ASSERT_NE(ah, sas.end());
  pair.left.endpoint.expired((*ah)->id, true, pair.now);
  pair.pump();
  pair.wait(10s);
  expect_bundle(pair);
  EXPECT_FALSE(pair.left.installed.contains((*ah)->id));
}

// A peer with two children that are no bundle to it makes one of them alone.
TEST(Rfc4301_4_5, AHalfThatThePeerDoesNotMakeIsAskedFor) {
  for (const char* half : {"net", "net+ah"}) {
    Pair pair(apart(true), bundle(false));
    pair.left.endpoint.initiate("sites", half, 1, pair.now);
    pair.pump();
    EXPECT_EQ(children(pair.right), std::string(half) + " ");
    pair.wait(6s);
    EXPECT_EQ(pair.right.status().children.size(), 2u);
    EXPECT_EQ(pair.left.status().children.size(), 2u);
    pair.wait(20s);
    EXPECT_EQ(pair.right.installed.size(), 4u);
  }
}

TEST(Rfc4301_4_5, APeerThatMakesBothIsNotAskedForMore) {
  for (const bool esp_first : {true, false}) {
    Pair pair(apart(true), bundle(false));
    pair.left.endpoint.initiate("sites", esp_first ? "net" : "net+ah", 1, pair.now);
    pair.left.endpoint.initiate("sites", esp_first ? "net+ah" : "net", 2, pair.now);
    pair.pump();
    pair.wait(30s);
    EXPECT_EQ(pair.right.installed.size(), 4u);
    pair.left.endpoint.terminate(ByName{"sites", "net+ah"}, 3, pair.now);
    pair.pump();
    pair.wait(10s);
    EXPECT_TRUE(pair.right.installed.empty() && pair.left.installed.empty());
  }
}

TEST(Rfc4301_4_5, AHalfAloneDoesNotStay) {
  auto without_ah = apart(true);
  without_ah->children.erase(without_ah->children.begin());
  Pair pair(without_ah, bundle(false));
  pair.initiate();
  EXPECT_EQ(children(pair.right), "net ");
  pair.wait(30s);
  EXPECT_TRUE(pair.right.installed.empty() && pair.left.installed.empty());
  EXPECT_TRUE(pair.right.logged("child net goes with its other half, net+ah"));
}

TEST(Rfc4301_4_5, WithoutTheFirstHalfTheSecondIsNotMade) {
  Pair pair(bundle(true, "sha256"), bundle(false, "sha512"));
  pair.initiate();
  pair.wait(30s);
  ASSERT_TRUE(pair.left.done(1));
  EXPECT_FALSE(pair.left.done(1)->ok);
  EXPECT_THAT(pair.left.done(1)->why, testing::HasSubstr("its other half, net+ah, is not up"));
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
}

TEST(Rfc4301_4_5, WithoutTheSecondHalfTheFirstDoesNotStay) {
  auto r = bundle(false);
  r->children[1].proposals = {*Proposal::parse("aes256gcm16", ProtocolId::kEsp)};
  Pair pair(bundle(true), r);
  pair.initiate();
  pair.wait(30s);
  ASSERT_TRUE(pair.left.done(1));
  EXPECT_FALSE(pair.left.done(1)->ok);
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
}

TEST(Rfc3948_1, ABundleIsNotAskedForThroughANat) {
  auto l = bundle(true), r = bundle(false);
  l->force_encap = true;
  r->remote_addrs = {};
  Pair pair(l, r);
  pair.initiate();
  pair.wait(30s);
  ASSERT_TRUE(pair.left.done(1));
  EXPECT_FALSE(pair.left.done(1)->ok);
  EXPECT_TRUE(pair.left.logged("is not asked for: a NAT is on the way"));
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
}

TEST(Reload, ABundleWhoseConfigurationChangedIsMadeAnew) {
  for (const std::size_t half : {0u, 1u}) {
    auto l = bundle(true), next = bundle(true);
    for (auto& c : {l, next})
      for (ChildConfig& child : c->children) child.start = StartAction::kStart;
    next->children[half].replay_window = 512;
    Pair pair(l, bundle(false));
    expect_bundle(pair);
    pair.left.endpoint.configure({next}, pair.now);
    pair.pump();
    pair.wait(20s);
    expect_bundle(pair);
    EXPECT_TRUE(std::ranges::any_of(pair.left.installed,
                                    [](const auto& sa) { return sa.second->replay_window == 512; }));
  }
}

TEST(Rfc4301_4_5, APeerThatIsGoneIsCalledForBothAgain) {
  auto l = bundle(true);
  for (ChildConfig& child : l->children) child.start = StartAction::kStart, child.dpd = DpdAction::kRestart;
  Pair pair(l, bundle(false));
  expect_bundle(pair);
  pair.wait(200s, everything());
  EXPECT_TRUE(pair.left.installed.empty());
  pair.wait(120s);
  expect_bundle(pair);
}

// Of one half there may then be two, which does no harm; of neither there is none.
TEST(Rfc4301_4_5, BothEndsMayAskAtOnce) {
  auto l = bundle(true), r = bundle(false);
  for (auto& c : {l, r})
    for (ChildConfig& child : c->children) child.start = StartAction::kStart;
  Pair pair(l, r);
  pair.wait(60s);
  for (const Side* side : {&pair.left, &pair.right}) {
    EXPECT_EQ(side->endpoint.status().size(), 1u);
    EXPECT_THAT(children(*side), testing::AllOf(testing::HasSubstr("net "), testing::HasSubstr("net+ah ")));
    EXPECT_LE(side->status().children.size(), 3u);
  }
}

// Each end rekeys and ends halves while a fifth of the datagrams is lost.
TEST(Rfc4301_4_5, WhateverIsLostABundleComesBackWhole) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::minstd_rand random(seed);
    const auto below = [&](unsigned n) { return static_cast<unsigned>(random()) % n; };
    const Lose a_fifth = [&](const Datagram&) { return below(5) == 0; };
    auto l = bundle(true);
    for (ChildConfig& child : l->children)
      child.start = StartAction::kStart, child.close = CloseAction::kStart, child.dpd = DpdAction::kRestart;
    Pair pair(l, bundle(false));
    for (int step = 0; step < 8; ++step) {
      Side& side = below(2) == 0 ? pair.left : pair.right;
      const ByName half{"sites", below(2) == 0 ? "net" : "net+ah"};
      if (&side == &pair.right && below(3) == 0)  // what ends it itself stays down
        side.endpoint.terminate(half, 0, pair.now);
      else
        side.endpoint.rekey(half, 0, pair.now);
      pair.pump(a_fifth);
      pair.wait(std::chrono::seconds(1 + below(20)), a_fifth);
    }
    pair.wait(400s);
    expect_bundle(pair);
    pair.expect_working();
  }
}

std::shared_ptr<Connection> closing(std::shared_ptr<Connection> c) {
  for (ChildConfig& child : c->children) child.close = CloseAction::kStart;
  return c;
}

// Each end brings back what the other one ends, and neither what it ends itself: they come to rest.
TEST(Rfc4301_4_5, ABundleThatBothEndsBringBackComesToRest) {
  for (const bool by_left : {true, false})
    for (const char* half : {"net", "net+ah"}) {
      SCOPED_TRACE(half);
      Pair pair(closing(bundle(true)), closing(bundle(false)));
      pair.initiate();
      expect_bundle(pair);
      pair.wait(60s);
      (by_left ? pair.left : pair.right).endpoint.terminate(ByName{"sites", half}, 5, pair.now);
      pair.pump();
      pair.wait(120s);
      expect_bundle(pair);
      const std::size_t events = pair.left.child_events.size();
      EXPECT_LE(events, 12u);
      pair.wait(300s);
      EXPECT_EQ(pair.left.child_events.size(), events);
      expect_bundle(pair);
    }
}

// Of two ends that cannot have the other half: what comes and goes does so later each time.
TEST(Rfc4301_4_5, AHalfThatCannotBeWholeIsNotMadeWithoutAPause) {
  auto r = closing(bundle(false));
  r->children[1].proposals = {*Proposal::parse("aes256gcm16", ProtocolId::kEsp)};
  Pair pair(closing(bundle(true)), r);
  pair.initiate();
  pair.wait(600s);
  EXPECT_GE(pair.left.child_events.size(), 2u) << "the first half came";
  EXPECT_LE(pair.left.child_events.size(), 80u);
  EXPECT_LE(pair.left.sent.size() + pair.right.sent.size(), 600u);
}

}  // namespace
}  // namespace simplon::ike::test

// SPDX-License-Identifier: Apache-2.0
#include "ike/endpoint/endpoint.h"

#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

TEST(Rfc7296, SameSeedSameBytes) {
  Pair one, two;
  one.initiate();
  two.initiate();
  EXPECT_EQ(one.left.sent, two.left.sent);
  EXPECT_EQ(one.right.sent, two.right.sent);
}

TEST(Rfc7296_2_1, AnyOneLostMessageIsRepeated) {
  for (unsigned lost = 1; lost <= 4; ++lost) {
    Pair pair;
    pair.left.endpoint.initiate("sites", "net", 1, pair.now);
    pair.pump(nth(lost));
    pair.wait(2s);
    ASSERT_TRUE(pair.left.up() && pair.right.up()) << lost;
    EXPECT_EQ(pair.right.endpoint.status().size(), 1u);
    pair.expect_working();
  }
}

TEST(Rfc7296_2_4, APeerThatIsAwayIsGivenUpAndTriedAgain) {
  auto l = connection(true);
  auto child = l->children[0];
  const_cast<Connection&>(*l).children[0].start = StartAction::kStart;
  Pair pair(connection(true), connection(false));
  bool away = true;
  const Lose lose = [&](const Datagram&) { return away; };
  pair.left.endpoint.configure({l}, pair.now);
  pair.pump(lose);
  pair.wait(60s, lose);
  EXPECT_TRUE(pair.left.logged("does not answer"));
  EXPECT_GE(pair.left.endpoint.counters().timed_out, 1u);
  away = false;
  pair.wait(70s);
  EXPECT_TRUE(pair.left.up() && pair.right.up());
}

TEST(Reload, OnlyWhatChangedIsTouched) {
  auto l2 = connection(true, "second"), r2 = connection(false, "second");
  for (auto& c : {l2, r2}) {
    c->local_id = *Identity::parse("2" + c->local_id.text());
    c->remote_id = *Identity::parse("2" + c->remote_id.text());
    c->children[0].name = "other";
  }
  Pair pair;
  pair.left.endpoint.configure({connection(true), l2}, pair.now);
  pair.right.endpoint.configure({connection(false), r2}, pair.now);
  pair.initiate();
  pair.left.endpoint.initiate("second", "other", 2, pair.now);
  pair.pump();
  ASSERT_EQ(pair.left.endpoint.status().size(), 2u);
  const IkeStatus kept = pair.left.endpoint.status()[0];
  auto changed = connection(true, "second");
  *changed = *l2;
  changed->dpd_delay = 77s;
  pair.left.endpoint.configure({connection(true), changed}, pair.now);
  pair.pump();
  ASSERT_EQ(pair.left.endpoint.status().size(), 1u);
  EXPECT_EQ(pair.left.status().id, kept.id);
  EXPECT_EQ(pair.left.status().children[0].spi_in, kept.children[0].spi_in);
}

TEST(Hostile, GarbageIsCountedAndHarmless) {
  Pair pair;
  pair.initiate();
  const Buffer good = pair.left.sent.back();
  for (std::size_t n = 0; n < good.size(); ++n) {
    Datagram d{{*IpAddress::parse("198.51.100.2"), kIkePort},
               {*IpAddress::parse("198.51.100.1"), kIkePort},
               Buffer(good.begin(), good.begin() + static_cast<long>(n))};
    pair.right.endpoint.receive(d, pair.now);
    d.bytes = good;
    d.bytes[n] ^= 0x41;
    pair.right.endpoint.receive(d, pair.now);
  }
  pair.pump();
  EXPECT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_GT(pair.right.endpoint.counters().malformed, 100u);
  pair.right.endpoint.rekey(ByName{"sites", "net"}, 9, pair.now);
  pair.pump();
  pair.expect_working();
}

TEST(Acquire, LeavesAChildThatIsStartedByHandAlone) {
  Pair pair;
  pair.left.endpoint.acquire(PolicyId{7}, {}, {}, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.left.endpoint.status().empty());
}

TEST(Acquire, BringsTheChildOfThePolicyUp) {
  auto l = connection(true);
  l->children[0].start = StartAction::kTrap;
  Pair pair(l, connection(false));
  pair.left.endpoint.acquire(PolicyId{7}, {}, {}, pair.now);
  pair.left.endpoint.acquire(PolicyId{7}, {}, {}, pair.now);
  pair.left.endpoint.acquire(PolicyId{8}, {}, {}, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.left.up());
  EXPECT_EQ(pair.left.endpoint.status().size(), 1u);
}

TEST(Rfc7296_2_9, ThePacketThatWantsAChildStandsFirstAndNarrowsNothing) {
  auto l = connection(true);
  l->children[0].start = StartAction::kTrap;
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({l}, now);
  side.endpoint.acquire(PolicyId{7}, *TrafficSelector::parse("198.18.1.5[tcp/1234]"),
                        *TrafficSelector::parse("198.18.2.9[tcp/443]"), now);
  BarePeer peer(side, now);
  peer.answer_init();
  const auto request = peer.hear();
  ASSERT_TRUE(request && request->payloads.tsi && request->payloads.tsr);
  EXPECT_EQ(text(*request->payloads.tsi), "198.18.1.5/32[tcp/1234] 198.18.1.0/24");
  EXPECT_EQ(text(*request->payloads.tsr), "198.18.2.9/32[tcp/443] 198.18.2.0/24");
  for (const bool first_only : {true, false}) {
    auto r = connection(false);
    if (first_only)
      r->children[0].selectors = {{*TrafficSelector::parse("198.18.2.9[tcp/443]")},
                                  {*TrafficSelector::parse("198.18.1.5[tcp/1234]")}};
    Pair pair(l, r);
    pair.left.endpoint.acquire(PolicyId{7}, *TrafficSelector::parse("198.18.1.5[tcp/1234]"),
                               *TrafficSelector::parse("198.18.2.9[tcp/443]"), pair.now);
    pair.pump();
    ASSERT_TRUE(pair.left.up());
    pair.expect_working();
    EXPECT_EQ(pair.left.status().children[0].selectors.text(),
              first_only ? "198.18.1.5/32[tcp/1234] === 198.18.2.9/32[tcp/443]"
                         : "198.18.1.0/24 === 198.18.2.0/24");
  }
}

TEST(Rfc7296_2_9, APacketOfAnotherChildIsNotOffered) {
  auto l = connection(true);
  l->children[0].start = StartAction::kTrap;
  Pair pair(l, connection(false));
  pair.left.endpoint.acquire(PolicyId{7}, *TrafficSelector::parse("203.0.113.5"),
                             *TrafficSelector::parse("198.18.2.9"), pair.now);
  pair.pump();
  ASSERT_TRUE(pair.left.up());
  EXPECT_EQ(pair.left.status().children[0].selectors.text(), "198.18.1.0/24 === 198.18.2.0/24");
}

TEST(Rfc7296_2_4, AKStartConnectionComesUpAgainAfterThePeerRestarts) {
  auto l = connection(true);
  l->dpd_delay = 5s;
  l->children[0].start = StartAction::kStart;
  Pair pair(l, connection(false));
  ASSERT_TRUE(pair.left.up());
  pair.wait(20s);
  pair.right.endpoint = Endpoint(Settings{}, Secret(Buffer(32, 77)));  // without a word
  pair.right.installed.clear();
  pair.right.endpoint.configure({connection(false)}, pair.now);
  pair.wait(100s);
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_EQ(pair.left.endpoint.status().size(), 1u);
  pair.expect_working();
}

TEST(Rfc7296_2_21, ARefusedChildThatShouldBeUpIsTriedAgain) {
  auto l = connection(true), narrow = connection(false);
  l->children[0].start = StartAction::kStart;
  narrow->children[0].selectors.remote = {*TrafficSelector::parse("203.0.113.0/24")};
  Pair pair(l, narrow);
  EXPECT_FALSE(pair.left.up());
  EXPECT_EQ(pair.left.endpoint.counters().ts_unacceptable, 1u);
  pair.right.endpoint.configure({connection(false)}, pair.now);
  pair.wait(10s);
  EXPECT_TRUE(pair.left.up());
  EXPECT_EQ(pair.left.endpoint.status().size(), 1u);
  pair.expect_working();
}

TEST(Rfc7296_2_21, AChildThatComesUpLeavesAnothersRetryAlone) {
  auto l = connection(true), r = connection(false);
  ChildConfig more = l->children[0];
  l->children[0].start = more.start = StartAction::kStart;
  more.name = "refused";
  for (auto* side : {&more.selectors.local, &more.selectors.remote})
    side->at(0) = *TrafficSelector::parse("203.0.113.0/24");
  l->children.insert(l->children.begin(), more);
  Pair pair(l, r);
  pair.wait(1s);
  ASSERT_EQ(pair.left.status().children.size(), 1u);
  more.start = StartAction::kNone;
  r = connection(false);
  r->children.push_back(more);
  pair.right.endpoint.configure({r}, pair.now);
  pair.wait(10s);
  EXPECT_EQ(pair.left.status().children.size(), 2u);
}

TEST(Reload, AChangedPeerThatStartsIsCalledAnew) {
  auto l = connection(true);
  l->children[0].start = StartAction::kStart;
  Pair pair(l, connection(false));
  const IkeSaId before = pair.left.status().id;
  auto changed = std::make_shared<Connection>(*l);
  changed->dpd_delay = 77s;
  pair.left.endpoint.configure({changed}, pair.now);
  pair.pump();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_NE(pair.left.status().id, before);
  EXPECT_EQ(pair.left.endpoint.status().size(), 1u);
  EXPECT_EQ(pair.right.endpoint.status().size(), 1u);
  pair.expect_working();
}

TEST(Reload, AChangedChildThatStartsIsMadeAnewInTheSameIkeSa) {
  auto l = connection(true);
  l->children[0].start = StartAction::kStart;
  Pair pair(l, connection(false));
  const IkeStatus before = pair.left.status();
  auto changed = std::make_shared<Connection>(*l);
  changed->children[0].replay_window = 1024;
  pair.left.endpoint.configure({changed}, pair.now);
  pair.pump();
  ASSERT_TRUE(pair.left.up());
  EXPECT_EQ(pair.left.status().id, before.id);
  ASSERT_EQ(pair.left.status().children.size(), 1u);
  EXPECT_NE(pair.left.status().children[0].id, before.children[0].id);
  EXPECT_EQ(pair.left.sas(Direction::kIn)[0]->replay_window, 1024u);
  pair.expect_working();
}

TEST(Reload, AChildBeingNegotiatedIsJudgedByTheNewConfiguration) {
  for (const bool removed : {true, false}) {
    auto l = connection(true);
    l->children[0].start = StartAction::kStart;
    Pair pair;
    const Lose no_auth = [](const Datagram& d) { return d.bytes[18] == 35; };
    pair.left.endpoint.configure({l}, pair.now);
    pair.pump(no_auth);
    auto changed = std::make_shared<Connection>(*l);
    changed->children[0].replay_window = 1024;
    if (removed) changed->children.clear();
    pair.left.endpoint.configure({changed}, pair.now);
    pair.pump(no_auth);
    pair.wait(5s);
    EXPECT_EQ(pair.left.status().state, IkeState::kEstablished);
    EXPECT_EQ(pair.left.status().children.size(), removed ? 0u : 1u);
    EXPECT_EQ(pair.right.installed.size(), removed ? 0u : 2u);
    for (const SaRef& sa : pair.left.sas(Direction::kIn)) EXPECT_EQ(sa->replay_window, 1024u);
  }
}

TEST(Reload, AHalfOpenInitiatorIsJudgedByTheNewConfiguration) {
  for (const bool removed : {true, false}) {
    Pair pair;
    pair.left.endpoint.initiate("sites", "net", 1, pair.now);
    pair.pump([](const Datagram& d) { return d.bytes[18] == 35; });  // IKE_AUTH is lost
    auto r = connection(false);
    r->psk = key("a new one");
    std::vector<std::shared_ptr<const Connection>> next;
    if (!removed) next = {r};
    pair.right.endpoint.configure(next, pair.now);
    pair.pump();
    pair.wait(3s);
    EXPECT_TRUE(pair.right.installed.empty()) << "the old key is good for nothing";
  }
}

TEST(Hostile, AReplayedConversationChangesNothing) {
  Pair pair;
  std::vector<Datagram> to_right, to_left;
  const Lose record = [&](const Datagram& d) {
    (d.remote.address.text() == "198.51.100.2" ? to_right : to_left).push_back({d.remote, d.local, d.bytes});
    return false;
  };
  pair.left.endpoint.initiate("sites", "net", 1, pair.now);
  pair.pump(record);
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 2, pair.now);
  pair.pump(record);
  pair.wait(10s);
  const auto left = pair.left.status(), right = pair.right.status();
  for (int round = 0; round < 2; ++round) {
    for (const Datagram& d : to_right) pair.right.endpoint.receive(d, pair.now);
    for (const Datagram& d : to_left) pair.left.endpoint.receive(d, pair.now);
    pair.pump();
  }
  EXPECT_EQ(pair.left.installed.size(), 2u);
  EXPECT_EQ(pair.right.installed.size(), 2u);
  pair.wait(40s);  // a half-open IKE SA that a replayed first message may have made is gone
  ASSERT_EQ(pair.right.endpoint.status().size(), 1u);
  EXPECT_EQ(pair.right.status().children[0].id, right.children[0].id);
  EXPECT_EQ(pair.left.status().children[0].id, left.children[0].id);
  pair.expect_working();
}

TEST(Scale, AThousandConnectionsComeUpAndGo) {
  Pair pair;
  std::vector<std::shared_ptr<const Connection>> l, r;
  for (int i = 0; i < 1000; ++i) {
    const std::string n = std::to_string(i);
    auto a = connection(true, "c" + n), b = connection(false, "c" + n);
    a->local_id = b->remote_id = *Identity::parse("a" + n + ".example");
    a->remote_id = b->local_id = *Identity::parse("b" + n + ".example");
    a->children[0].start = StartAction::kStart;
    l.push_back(a);
    r.push_back(b);
  }
  pair.right.endpoint.configure(r, pair.now);
  pair.left.endpoint.configure(l, pair.now);
  pair.pump();
  pair.wait(5s);
  EXPECT_EQ(pair.left.endpoint.status().size(), 1000u);
  EXPECT_EQ(pair.right.installed.size(), 2000u);
  pair.left.endpoint.configure({}, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.right.installed.empty() && pair.left.installed.empty());
  EXPECT_TRUE(pair.right.endpoint.status().empty());
}

}  // namespace
}  // namespace simplon::ike::test

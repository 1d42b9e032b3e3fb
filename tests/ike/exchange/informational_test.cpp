// SPDX-License-Identifier: Apache-2.0
#include "ike/endpoint/endpoint.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

TEST(Rfc7296_1_4, DeletesTakeBothSidesDown) {
  Pair pair;
  pair.initiate();
  pair.right.endpoint.terminate(ByName{"sites", "net"}, 3, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
  EXPECT_EQ(pair.left.status().state, IkeState::kEstablished);
  pair.left.endpoint.initiate("sites", "net", 4, pair.now);
  pair.pump();
  pair.expect_working();
  pair.left.endpoint.terminate(ByName{"sites", ""}, 5, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.left.endpoint.status().empty() && pair.right.endpoint.status().empty());
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
  EXPECT_TRUE(pair.left.finished.back().ok);
}

TEST(Rfc7296_3_10_1, InvalidSelectorsAreToldAndLogged) {
  Pair pair;
  pair.initiate();
  const Buffer start{0x45, 0, 0, 28};
  for (const auto& [id, sa] : pair.right.installed)
    if (sa->direction == Direction::kIn) {
      pair.right.endpoint.invalid_selectors(id, start, pair.now);
      pair.right.endpoint.invalid_selectors(id, start, pair.now);
      pair.right.endpoint.invalid_selectors(id, start, pair.now);
    }
  pair.pump();
  EXPECT_TRUE(pair.left.logged("the peer dropped a packet of child net as outside its selectors"));
  EXPECT_EQ(std::ranges::count_if(pair.left.log,
                                  [](const std::string& l) { return l.find("outside its") != l.npos; }),
            2)
      << "one under way and one that waits, whatever comes";
  pair.expect_working();
  pair.right.endpoint.invalid_selectors(SaId{999}, start, pair.now);  // gone by now
  pair.pump();
}

TEST(Rfc7296_2_4, LivenessFindsADeadPeerAndRestartsWhereAsked) {
  auto l = connection(true);
  l->dpd_delay = 5s;
  l->children[0].dpd = DpdAction::kRestart;
  Pair pair(l, connection(false));
  pair.initiate();
  pair.wait(20s);
  EXPECT_TRUE(pair.left.up()) << "a peer that answers is alive";
  bool away = true;
  pair.wait(90s, [&](const Datagram&) { return away; });
  EXPECT_TRUE(pair.left.installed.empty());
  pair.wait(70s);
  EXPECT_TRUE(pair.left.up());
}

TEST(Rfc7296_2_1, AnyOneLostMessageOfADeleteIsRepeated) {
  for (const char* child : {"net", ""})
    for (unsigned lost = 1; lost <= 2; ++lost) {
      Pair pair;
      pair.initiate();
      pair.left.endpoint.terminate(ByName{"sites", child}, 3, pair.now);
      pair.pump(nth(lost));
      pair.wait(2s);
      ASSERT_TRUE(pair.left.done(3));
      EXPECT_TRUE(pair.left.done(3)->ok);
      EXPECT_EQ(pair.left.endpoint.counters().timed_out, 0u);
      EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
    }
}

TEST(Rfc7296_1_4_1, DeletesThatCrossFinishBoth) {
  for (const char* child : {"net", ""}) {
    Pair pair;
    pair.initiate();
    pair.left.endpoint.terminate(ByName{"sites", child}, 3, pair.now);
    pair.right.endpoint.terminate(ByName{"sites", child}, 4, pair.now);
    pair.pump();
    ASSERT_TRUE(pair.left.done(3) && pair.right.done(4)) << child;
    EXPECT_TRUE(pair.left.done(3)->ok && pair.right.done(4)->ok);
    EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
  }
}

TEST(Terminate, EveryTicketIsAnsweredWhateverHappens) {
  Pair pair;
  pair.initiate();
  pair.left.endpoint.terminate(ByName{"sites", ""}, 3, pair.now);
  pair.left.endpoint.terminate(ByName{"sites", ""}, 4, pair.now);
  pair.left.endpoint.rekey(ByName{"sites", ""}, 5, pair.now);
  pair.pump();
  for (const std::uint64_t ticket : {3u, 4u, 5u}) EXPECT_TRUE(pair.left.done(ticket)) << ticket;
}

TEST(Terminate, ADeadPeerIsNotCalledAgain) {
  auto l = connection(true);
  l->children[0].start = StartAction::kStart;
  Pair pair(l, connection(false));
  ASSERT_TRUE(pair.left.up());
  pair.left.endpoint.terminate(ByName{"sites", ""}, 3, pair.now);
  pair.pump(everything());
  pair.wait(120s, everything());
  ASSERT_TRUE(pair.left.done(3));
  EXPECT_TRUE(pair.left.done(3)->ok) << "it is gone, which is what was asked for";
  pair.wait(120s);
  EXPECT_TRUE(pair.left.endpoint.status().empty());
}

TEST(Rfc7296_2_4, ShutDownSaysSoToThePeer) {
  auto l = connection(true);
  l->children[0].start = StartAction::kStart;
  Pair pair(l, connection(false));
  ASSERT_TRUE(pair.left.up());
  pair.left.endpoint.shut_down(pair.now);
  pair.pump();
  EXPECT_TRUE(pair.right.installed.empty() && pair.left.installed.empty());
  pair.wait(10s);
  EXPECT_TRUE(pair.left.endpoint.status().empty());
}

TEST(Rfc7296_2_4, EspThatArrivesSparesTheLivenessCheck) {
  auto l = connection(true), r = connection(false);
  l->dpd_delay = 5s;
  r->dpd_delay = 0s;
  Pair pair(l, r);
  pair.initiate();
  const std::size_t before = pair.left.sent.size();
  for (int i = 0; i < 20; ++i) {
    pair.left.endpoint.active(pair.left.sas(Direction::kIn)[0]->id, pair.now);
    pair.wait(4s);
  }
  EXPECT_EQ(pair.left.sent.size(), before);
  pair.wait(4s);
  EXPECT_EQ(pair.left.sent.size(), before + 1);
}

TEST(Rfc7296_2_21_2, APeerThatCannotAuthenticateUsTakesTheSaDown) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  peer.authenticate_without_child();
  ASSERT_EQ(side.status().state, IkeState::kEstablished);
  PayloadWriter out;
  out.notify(NotifyType::kAuthenticationFailed);
  peer.say(Exchange::kInformational, false, 2, out);
  EXPECT_TRUE(peer.hear());
  EXPECT_TRUE(side.endpoint.status().empty());
  EXPECT_TRUE(side.logged("refuses us as 'a.example'"));
}

TEST(Rfc7296_2_1, ARequestIsAnsweredAgainOnlyWhenItIsTheSame) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  peer.authenticate_without_child();
  peer.say(Exchange::kInformational, false, 2, {});
  ASSERT_TRUE(peer.hear());
  const Buffer answer = side.sent.back();
  peer.say(Exchange::kInformational, false, 2, {});  // the same number, another IV: not a retransmission
  EXPECT_EQ(peer.waiting(), 0u);
  peer.say(Exchange::kInformational, false, 4, {});  // outside the window (§2.3)
  EXPECT_EQ(peer.waiting(), 0u);
  peer.say(Exchange::kInformational, false, 3, {});
  EXPECT_EQ(peer.waiting(), 1u);
  EXPECT_NE(side.sent.back(), answer);
}

TEST(Rfc7296_2_5, AnUnknownCriticalPayloadIsRefusedAnUnknownOneIsNot) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  peer.authenticate_without_child();
  PayloadWriter out;
  out.add(PayloadType{99}, Buffer(4));
  peer.say(Exchange::kInformational, false, 2, out);
  auto answer = peer.hear();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->payloads.notifies.empty());
  EXPECT_EQ(side.status().state, IkeState::kEstablished);
}

TEST(Rfc7296_2_21_3, WhatIsMalformedEndsTheIkeSaAndTheAnswerCanBeHadAgain) {
  for (const bool authenticated : {true, false}) {
    Side side(1);
    Now now{1000s};
    side.endpoint.configure({connection(true)}, now);
    BarePeer peer(side, now);
    authenticated ? peer.authenticate_without_child() : peer.initiate();
    PayloadWriter out;
    out.nonce(Buffer(8));  // too short
    peer.say(authenticated ? Exchange::kCreateChildSa : Exchange::kIkeAuth, false, authenticated ? 2 : 1,
             out);
    const auto answer = peer.hear();
    ASSERT_TRUE(answer);
    EXPECT_NE(answer->payloads.find(NotifyType::kInvalidSyntax), nullptr);
    EXPECT_TRUE(side.endpoint.status().empty());
    const Buffer said = side.sent.back();
    peer.say_again();
    ASSERT_EQ(peer.waiting(), 1u);
    EXPECT_EQ(side.sent.back(), said);
  }
}

TEST(Rfc7296_1_4_1, TheAnswerToADeleteThatCrossesOursDoesNotNameOurSpi) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  peer.authenticate_with_child(0x1000);
  side.endpoint.terminate(ByName{"sites", "net"}, 3, now);
  ASSERT_TRUE(peer.hear());
  PayloadWriter out;
  out.del(ProtocolId::kEsp, {spi_bytes(0x1000)});
  peer.say(Exchange::kInformational, false, 2, out);
  const auto answer = peer.hear();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->payloads.deletes.empty());
  EXPECT_TRUE(side.installed.empty());
}

TEST(Rfc7296_2_11, AnAnswerGoesAgainToWhereTheRequestCameFrom) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  peer.authenticate_without_child();
  const auto repeated_to = [&] {
    std::optional<SocketAddress> to;
    side.endpoint.receive({{*IpAddress::parse("198.51.100.1"), kNatTraversalPort},
                           {*IpAddress::parse("198.51.100.2"), Port{1234}},
                           peer.said()},
                          now);
    side.drain([&](const Datagram& d) { to = d.remote; }, now);
    return to.value_or(SocketAddress{}).port;
  };
  peer.say(Exchange::kInformational, false, 2, {});
  ASSERT_TRUE(peer.hear());
  EXPECT_EQ(repeated_to(), Port{1234});
  PayloadWriter out;
  out.del(ProtocolId::kIke, {});
  peer.say(Exchange::kInformational, false, 3, out);
  ASSERT_TRUE(peer.hear());
  ASSERT_TRUE(side.endpoint.status().empty());
  EXPECT_EQ(repeated_to(), Port{1234});
}

TEST(Rfc7296_2_21_3, InvalidSyntaxInAnAnswerEndsTheIkeSa) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  peer.authenticate_with_child(0x1000);
  side.endpoint.rekey(ByName{"sites", "net"}, 3, now);
  const auto request = peer.hear();
  ASSERT_TRUE(request);
  PayloadWriter out;
  out.notify(NotifyType::kInvalidSyntax);
  peer.say(Exchange::kCreateChildSa, true, request->header.message_id, out);
  EXPECT_EQ(peer.waiting(), 0u);
  EXPECT_TRUE(side.endpoint.status().empty() && side.installed.empty());
  ASSERT_TRUE(side.done(3));
  EXPECT_FALSE(side.done(3)->ok);
}

TEST(Rfc7296_1_4, ACloseActionBringsTheChildBack) {
  auto l = connection(true);
  l->children[0].close = CloseAction::kStart;
  Pair pair(l, connection(false));
  pair.initiate();
  pair.right.endpoint.terminate(ByName{"sites", "net"}, 3, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.left.up());
  pair.expect_working();
  pair.right.endpoint.terminate(ByName{"sites", ""}, 4, pair.now);
  pair.pump();
  EXPECT_FALSE(pair.left.up());
  pair.wait(20s);
  EXPECT_TRUE(pair.left.up());
  pair.expect_working();
}

TEST(Rfc7296_2_4, APeerThatAlwaysClosesIsCalledLessAndLess) {
  auto l = connection(true);
  l->children[0].start = StartAction::kStart;
  Pair pair(l, connection(false));
  for (int second = 0; second < 300; ++second) {
    if (pair.right.up()) pair.right.endpoint.terminate(ByName{"sites", ""}, 0, pair.now);
    pair.pump();
    pair.wait(1s);
  }
  const auto ups =
      std::ranges::count_if(pair.left.ike_events, [](const IkeEvent& e) { return e.what == UpDown::kUp; });
  EXPECT_LT(ups, 200);
  EXPECT_GT(ups, 2);
}

TEST(Rfc7296_2_8, AnIkeSaThatIsNotRekeyedInTimeEndsWithADelete) {
  auto l = connection(true), r = connection(false);
  l->rekey_time = r->rekey_time = 100s;
  l->over_time = 0s;
  r->over_time = 1000s;
  Pair pair(l, r);
  pair.initiate();
  // The peer always asks for patience: every rekey crosses its own.
  pair.wait(99s, everything());
  pair.wait(100s);
  EXPECT_EQ(pair.left.endpoint.status().size(), pair.right.endpoint.status().size());
}

}  // namespace
}  // namespace simplon::ike::test

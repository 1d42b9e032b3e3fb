// SPDX-License-Identifier: Apache-2.0
#include "ike/endpoint/endpoint.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

TEST(Rfc7296_1_2, InitialExchangesBringAChildUp) {
  for (const char* ike : {"aes128gcm16-prfsha256-x25519", "aes256gcm16-prfsha384-ecp384",
                          "aes128-sha256-ecp256", "aes256-sha512-modp2048"})
    for (const char* esp : {"aes128gcm16", "aes256gcm16", "aes128-sha256", "aes256-sha512"}) {
      SCOPED_TRACE(std::string(ike) + " " + esp);
      auto l = connection(true), r = connection(false);
      for (auto& c : {l, r}) {
        c->proposals = {*Proposal::parse(ike, ProtocolId::kIke)};
        c->children[0].proposals = {*Proposal::parse(esp, ProtocolId::kEsp)};
      }
      Pair pair(l, r);
      pair.initiate();
      ASSERT_TRUE(pair.left.up() && pair.right.up());
      pair.expect_working();
      ASSERT_EQ(pair.left.finished.size(), 1u);
      EXPECT_TRUE(pair.left.finished[0].ok);
    }
}

TEST(Rfc7296_1_2, InboundSaIsThereBeforeThePeerHearsOfIt) {
  Pair pair;
  pair.initiate();
  EXPECT_THAT(pair.right.order, testing::ElementsAre("datagram", "in", "out", "datagram"));
}

TEST(Rfc7296_2_15, WrongKeyIsRefusedOnBothSidesWithAReason) {
  auto r = connection(false);
  r->psk = Secret(Buffer(20, 7));
  Pair pair(connection(true), r);
  pair.initiate();
  EXPECT_TRUE(pair.left.endpoint.status().empty() && pair.right.endpoint.status().empty());
  EXPECT_TRUE(pair.right.logged("does not know the shared key"));
  EXPECT_TRUE(pair.left.logged("AUTHENTICATION_FAILED"));
  EXPECT_EQ(pair.right.endpoint.counters().auth_failed, 1u);
  ASSERT_EQ(pair.left.finished.size(), 1u);
  EXPECT_FALSE(pair.left.finished[0].ok);
}

TEST(Rfc7296_2_15, UnknownIdentityIsRefusedAndNamed) {
  auto l = connection(true);
  l->local_id = *Identity::parse("mallory.example");
  Pair pair(l, connection(false));
  pair.initiate();
  EXPECT_TRUE(pair.right.logged("mallory.example"));
  EXPECT_TRUE(pair.right.endpoint.status().empty());
}

TEST(Rfc7296_2_9, SelectorsAreNarrowedAndOthersRefused) {
  auto r = connection(false);
  r->children[0].selectors = {{*TrafficSelector::parse("198.18.2.128/25")},
                              {*TrafficSelector::parse("198.18.0.0/16")}};
  Pair pair(connection(true), r);
  pair.initiate();
  ASSERT_TRUE(pair.left.up());
  EXPECT_EQ(pair.left.status().children[0].selectors.text(), "198.18.1.0/24 === 198.18.2.128/25");
  pair.expect_working();

  r = connection(false);
  r->children[0].selectors.remote = {*TrafficSelector::parse("203.0.113.0/24")};
  Pair apart(connection(true), r);
  apart.initiate();
  EXPECT_FALSE(apart.left.up());
  EXPECT_EQ(apart.left.status().state, IkeState::kEstablished) << "the IKE SA lives without the child (§1.2)";
  EXPECT_TRUE(apart.right.logged(
      "offered 198.18.2.0/24 === 198.18.1.0/24, child net is 198.18.2.0/24 === 203.0.113.0/24"));
  EXPECT_TRUE(apart.left.logged("TS_UNACCEPTABLE"));
}

TEST(Rfc7296_2_4, InitialContactReplacesTheFormerLife) {
  Pair pair;
  pair.initiate();
  Side reborn(9);
  reborn.endpoint.configure({connection(true)}, pair.now);
  std::swap(pair.left.endpoint, reborn.endpoint);
  pair.left.installed.clear();
  pair.initiate();
  EXPECT_EQ(pair.right.endpoint.status().size(), 1u);
  EXPECT_EQ(pair.right.installed.size(), 2u);
  pair.expect_working();
}

// Two connections of ours to one peer, which knows both ends by one identity each.
TEST(Rfc7296_2_4, InitialContactIsOfTheIdentitiesNotOfTheConnection) {
  Pair pair;
  auto more = connection(true, "more"), both = connection(false);
  more->children[0].name = "other";
  more->children[0].policy = PolicyId{77};
  both->children.push_back(both->children[0]);
  both->children[1].name = "other";
  both->children[1].policy = PolicyId{78};
  more->children[0].selectors.remote = {*TrafficSelector::parse("203.0.113.0/24")};
  both->children[1].selectors.local = more->children[0].selectors.remote;
  pair.left.endpoint.configure({connection(true), more}, pair.now);
  pair.right.endpoint.configure({both}, pair.now);
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  pair.left.endpoint.initiate("more", "other", 2, pair.now);
  pair.pump();
  ASSERT_TRUE(pair.left.done(2) && pair.left.done(2)->ok);
  EXPECT_EQ(pair.left.endpoint.status().size(), 2u);
  EXPECT_EQ(pair.right.endpoint.status().size(), 2u) << "the first was not from before a restart";
  EXPECT_EQ(pair.right.installed.size(), 4u);
}

TEST(Rfc7296_2_15, AWrongResponderIsToldSoAndRefused) {
  Pair pair;
  pair.left.endpoint.initiate("sites", "net", 1, pair.now);
  BarePeer peer(pair.left, pair.now);
  peer.answer_init();
  ASSERT_TRUE(peer.hear());
  PayloadWriter out;
  out.id(PayloadType::kIdr, *Identity::parse("b.example"));
  out.auth(Buffer(32, 1));
  peer.say(Exchange::kIkeAuth, true, 1, out);
  const auto said = peer.hear();
  ASSERT_TRUE(said);
  EXPECT_EQ(said->header.message_id, 2u);
  EXPECT_NE(said->payloads.find(NotifyType::kAuthenticationFailed), nullptr);
  EXPECT_TRUE(pair.left.endpoint.status().empty());
  EXPECT_EQ(pair.left.endpoint.counters().auth_failed, 1u);
  ASSERT_TRUE(pair.left.done(1));
  EXPECT_FALSE(pair.left.done(1)->ok);
}

TEST(Rfc7296_1_2, AnEmptyOrForeignChildInTheResponseIsRefusedAndTheIkeSaLives) {
  for (const char* esp : {"", "aes256gcm16", "aes128gcm16"}) {
    Pair pair;
    pair.left.endpoint.initiate("sites", "net", 1, pair.now);
    BarePeer peer(pair.left, pair.now);
    peer.answer_init();
    ASSERT_TRUE(peer.hear());
    PayloadWriter out = peer.authenticated();
    std::vector<Proposal> chosen;
    if (*esp != 0) {
      chosen = {*Proposal::parse(esp, ProtocolId::kEsp)};
      chosen[0].spi = spi_bytes(200);  // reserved (RFC 4303 §2.1)
    }
    out.sa(chosen);
    out.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.1.0/24")});
    out.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.2.0/24")});
    peer.say(Exchange::kIkeAuth, true, 1, out);
    (void)peer.hear();
    ASSERT_EQ(pair.left.endpoint.status().size(), 1u);
    EXPECT_EQ(pair.left.status().state, IkeState::kEstablished);
    EXPECT_TRUE(pair.left.installed.empty());
    EXPECT_TRUE(pair.left.logged("chose what we did not offer"));
  }
}

TEST(Rfc7296_2_9, SelectorsOutsideOursAreRefusedAndNamed) {
  Pair pair;
  pair.left.endpoint.initiate("sites", "net", 1, pair.now);
  BarePeer peer(pair.left, pair.now);
  peer.answer_init();
  ASSERT_TRUE(peer.hear());
  PayloadWriter out = peer.authenticated();
  auto chosen = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
  chosen.spi = spi_bytes(0x1000);
  out.sa({chosen});
  out.ts(PayloadType::kTsi, {*TrafficSelector::parse("203.0.113.0/24")});
  out.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.2.0/24")});
  peer.say(Exchange::kIkeAuth, true, 1, out);
  (void)peer.hear();
  EXPECT_TRUE(pair.left.installed.empty());
  EXPECT_TRUE(pair.left.logged("outside ours: 203.0.113.0/24 === 198.18.2.0/24, ours are 198.18.1.0/24"));
}

TEST(Rfc7296_2_4, BothEndsThatCallEachOtherKeepOneIkeSa) {
  for (std::uint8_t seed = 10; seed < 20; ++seed) {
    Pair pair;
    pair.left.endpoint = Endpoint(Settings{}, Secret(Buffer(32, seed)));
    pair.left.endpoint.configure({connection(true)}, pair.now);
    pair.left.endpoint.initiate("sites", "net", 1, pair.now);
    pair.right.endpoint.initiate("sites", "net", 1, pair.now);
    pair.pump();
    pair.wait(35s);  // half-open ones that were not gone on with end as well
    ASSERT_TRUE(pair.left.up() && pair.right.up()) << int{seed};
    EXPECT_EQ(pair.left.endpoint.status().size(), 1u);
    EXPECT_EQ(pair.right.endpoint.status().size(), 1u);
    EXPECT_EQ(pair.left.installed.size(), 2u);
    EXPECT_EQ(pair.right.installed.size(), 2u);
    pair.expect_working();
  }
}

TEST(Rfc7296_2_4, SoDoEndsWhoseMessagesCrossOnTheWay) {
  for (const unsigned order : {0u, 1u, 2u, 3u, 5u, 6u, 9u, 10u, 0x155u, 0x2aau}) {
    Pair pair;
    std::deque<Datagram> to_left, to_right;
    const auto collect = [&] {
      while (
          pair.left.drain([&](Datagram& d) { to_right.push_back({d.remote, d.local, d.bytes}); }, pair.now) ||
          pair.right.drain([&](Datagram& d) { to_left.push_back({d.remote, d.local, d.bytes}); }, pair.now)) {
      }
    };
    pair.left.endpoint.initiate("sites", "net", 1, pair.now);
    pair.right.endpoint.initiate("sites", "net", 1, pair.now);
    collect();
    for (unsigned step = 0; !to_left.empty() || !to_right.empty(); ++step) {
      const bool left = to_right.empty() || (!to_left.empty() && (order >> step % 10 & 1) != 0);
      auto& queue = left ? to_left : to_right;
      const Datagram d = queue.front();
      queue.pop_front();
      (left ? pair.left : pair.right).endpoint.receive(d, pair.now);
      collect();
    }
    pair.wait(35s);  // half-open ones that were not gone on with end as well
    ASSERT_TRUE(pair.left.up() && pair.right.up()) << order;
    EXPECT_EQ(pair.left.endpoint.status().size(), 1u) << order;
    EXPECT_EQ(pair.right.endpoint.status().size(), 1u) << order;
    pair.expect_working();
  }
}

TEST(Rfc7296_2_21_2, AnUnauthenticatedInitiatorCausesOneLineASecond) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  const auto attack = [&](std::uint8_t) {
    BarePeer peer(side, now);
    peer.initiate();
    PayloadWriter out;
    out.id(PayloadType::kIdi, *Identity::parse("mallory.example"));
    out.auth(Buffer(32, 1));
    peer.say(Exchange::kIkeAuth, false, 1, out);
    const auto answer = peer.hear();
    ASSERT_TRUE(answer);
    EXPECT_NE(answer->payloads.find(NotifyType::kAuthenticationFailed), nullptr);
  };
  for (std::uint8_t i = 0; i < 20; ++i) attack(i);
  EXPECT_EQ(side.log.size(), 1u);
  EXPECT_EQ(side.endpoint.counters().auth_failed, 20u);
  EXPECT_TRUE(side.endpoint.status().empty());
}

TEST(Rfc7296_2_16, AnInitiatorThatWantsEapIsRefusedAndTheReasonIsSaid) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  peer.initiate();
  PayloadWriter out;
  out.id(PayloadType::kIdi, *Identity::parse("b.example"));
  BarePeer::add_child(out, "aes128gcm16", 0x1000);
  peer.say(Exchange::kIkeAuth, false, 1, out);
  const auto answer = peer.hear();
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->payloads.find(NotifyType::kAuthenticationFailed), nullptr);
  EXPECT_TRUE(side.logged("it wants EAP, and no connection for it has 'auth: eap'"));
}

TEST(Rfc7296_2_16, AResponderThatWantsEapIsToldSo) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  side.endpoint.initiate("sites", "net", 1, now);
  BarePeer peer(side, now);
  peer.answer_init();
  ASSERT_TRUE(peer.hear());
  PayloadWriter out;
  out.id(PayloadType::kIdr, *Identity::parse("b.example"));
  out.add(PayloadType::kEap, Buffer{1, 1, 0, 5, 1});
  peer.say(Exchange::kIkeAuth, true, 1, out);
  ASSERT_TRUE(peer.hear());
  EXPECT_TRUE(side.logged("the peer wants EAP, which is not configured"));
  EXPECT_FALSE(side.done(1)->ok);
}

TEST(Rfc7296_2_15, ASignatureIsSaidToBeOne) {
  for (const bool initiator : {true, false}) {
    Side side(1);
    Now now{1000s};
    side.endpoint.configure({connection(true)}, now);
    BarePeer peer(side, now);
    PayloadWriter out;
    if (initiator) {
      peer.initiate();
    } else {
      side.endpoint.initiate("sites", "net", 1, now);
      peer.answer_init();
      ASSERT_TRUE(peer.hear());
    }
    out.id(initiator ? PayloadType::kIdi : PayloadType::kIdr, *Identity::parse("b.example"));
    out.auth(Buffer(256, 1), AuthMethod{14});
    peer.say(Exchange::kIkeAuth, !initiator, 1, out);
    ASSERT_TRUE(peer.hear());
    EXPECT_TRUE(
        side.logged("proves itself by a digital signature (method 14), and a shared key is configured"));
  }
}

TEST(Rfc7296_2_5, AnUnknownCriticalPayloadInAResponseEndsTheIkeSa) {
  for (const bool in_auth : {true, false}) {
    Side side(1);
    Now now{1000s};
    side.endpoint.configure({connection(true)}, now);
    BarePeer peer(side, now);
    if (in_auth) {
      side.endpoint.initiate("sites", "net", 1, now);
      peer.answer_init();
      ASSERT_TRUE(peer.hear());
    } else {
      peer.authenticate_with_child(0x1000);
      side.endpoint.rekey(ByName{"sites", "net"}, 1, now);
      ASSERT_TRUE(peer.hear());
    }
    PayloadWriter out = in_auth ? peer.authenticated() : PayloadWriter{};
    out.add(PayloadType{200}, Buffer(4, 0), Critical::kYes);
    peer.say(in_auth ? Exchange::kIkeAuth : Exchange::kCreateChildSa, true, in_auth ? 1 : 0, out);
    const auto deletes = peer.hear();
    ASSERT_TRUE(deletes);
    EXPECT_EQ(deletes->payloads.deletes.at(0).protocol, ProtocolId::kIke);
    EXPECT_TRUE(side.logged("payload 200, which is critical and unknown"));
    EXPECT_TRUE(side.endpoint.status().empty() && side.installed.empty());
    EXPECT_FALSE(side.done(1)->ok);
  }
}

TEST(Rfc7296_2_4, APeerThatComesForEverMoreLosesItsOldestIkeSas) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    BarePeer peer(side, now, i);
    peer.initiate();
    peer.say(Exchange::kIkeAuth, false, 1, peer.authenticated());
    EXPECT_EQ(peer.waiting(), i > 16 ? 2u : 1u) << "the oldest one's peer hears of it";
    EXPECT_EQ(side.endpoint.status().size(), std::min<std::size_t>(i, 16));
  }
}

TEST(Rfc7296_2_1, ARefusedIkeAuthIsRefusedAgainInTheSameWords) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  peer.initiate();
  PayloadWriter out;
  out.id(PayloadType::kIdi, *Identity::parse("mallory.example"));
  out.auth(Buffer(32, 1));
  peer.say(Exchange::kIkeAuth, false, 1, out);
  ASSERT_TRUE(peer.hear());
  const Buffer refusal = side.sent.back();
  peer.say_again();
  ASSERT_EQ(peer.waiting(), 1u);
  EXPECT_EQ(side.sent.back(), refusal);
  EXPECT_EQ(side.endpoint.counters().auth_failed, 1u);
}

TEST(Rfc7296_2_21_2, AStrangerThatSendsMalformedMessagesIsDoneWithAtOnce) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  peer.initiate();
  PayloadWriter out;
  out.nonce(Buffer(8));
  for (std::uint32_t id = 1; id < 20; ++id) peer.say(Exchange::kIkeAuth, false, id, out);
  EXPECT_EQ(peer.waiting(), 1u);
  EXPECT_LE(side.log.size(), 2u);
  EXPECT_TRUE(side.endpoint.status().empty());
}

TEST(Rfc7296_2_3, ARequestThatOvertakesTheAnswerToIkeAuthWaits) {
  Pair pair;
  pair.left.endpoint.initiate("sites", "", 1, pair.now);
  BarePeer peer(pair.left, pair.now);
  peer.answer_init();
  ASSERT_TRUE(peer.hear());
  peer.say(Exchange::kInformational, false, 0, {});
  EXPECT_EQ(peer.waiting(), 0u);
  peer.say(Exchange::kIkeAuth, true, 1, peer.authenticated());
  EXPECT_EQ(pair.left.status().state, IkeState::kEstablished);
  peer.say(Exchange::kInformational, false, 0, {});
  EXPECT_EQ(peer.waiting(), 1u);
}

// RFC 7296 §2.4: whoever the peer of a connection for anybody is, there may be an IKE SA with it already.
TEST(Rfc7296_2_4, InitialContactOfAConnectionForAnybody) {
  for (const bool first_for_anybody : {true, false}) {
    Pair pair;
    auto sites = connection(true), more = connection(true, "more"), both = connection(false);
    more->children[0].name = "other";
    more->children[0].policy = PolicyId{77};
    both->children.push_back(both->children[0]);
    both->children[1].name = "other";
    both->children[1].policy = PolicyId{78};
    more->children[0].selectors.remote = {*TrafficSelector::parse("203.0.113.0/24")};
    both->children[1].selectors.local = more->children[0].selectors.remote;
    (first_for_anybody ? sites : more)->remote_id = *Identity::parse("%any");
    pair.left.endpoint.configure({sites, more}, pair.now);
    pair.right.endpoint.configure({both}, pair.now);
    pair.initiate();
    ASSERT_TRUE(pair.left.up() && pair.right.up());
    pair.left.endpoint.initiate("more", "other", 2, pair.now);
    pair.pump();
    ASSERT_TRUE(pair.left.done(2) && pair.left.done(2)->ok);
    EXPECT_EQ(pair.right.endpoint.status().size(), 2u) << "the first was not from before a restart";
    EXPECT_EQ(pair.right.installed.size(), 4u);
    // After a restart it is said: what is from before goes.
    Side reborn(9);
    reborn.endpoint.configure({first_for_anybody ? sites : more}, pair.now);
    std::swap(pair.left.endpoint, reborn.endpoint);
    pair.left.installed.clear();
    pair.left.endpoint.initiate(first_for_anybody ? "sites" : "more", first_for_anybody ? "net" : "other", 3,
                                pair.now);
    pair.pump();
    ASSERT_TRUE(pair.left.done(3) && pair.left.done(3)->ok);
    EXPECT_EQ(pair.right.endpoint.status().size(), 1u);
    EXPECT_EQ(pair.right.installed.size(), 2u);
  }
}

}  // namespace
}  // namespace simplon::ike::test

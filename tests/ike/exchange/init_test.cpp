// SPDX-License-Identifier: Apache-2.0
#include "ike/endpoint/endpoint.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

using testing::HasSubstr;

TEST(Rfc7296_2_7, NoCommonProposalIsSaidWithBothSides) {
  auto r = connection(false);
  r->proposals = {*Proposal::parse("aes256-sha512-modp2048", ProtocolId::kIke)};
  Pair pair(connection(true), r);
  pair.initiate();
  EXPECT_TRUE(
      pair.right.logged("offered aes128gcm16-prfsha256-x25519; we take aes256-sha512-prfsha512-modp2048"));
  EXPECT_TRUE(pair.left.logged("NO_PROPOSAL_CHOSEN"));
  EXPECT_EQ(pair.right.endpoint.counters().no_proposal, 1u);
}

TEST(Rfc7296_1_3, InvalidKePayloadLeadsToTheOtherGroup) {
  auto l = connection(true), r = connection(false);
  l->proposals = {*Proposal::parse("aes128gcm16-prfsha256-x25519-ecp256", ProtocolId::kIke)};
  r->proposals = {*Proposal::parse("aes128gcm16-prfsha256-ecp256", ProtocolId::kIke)};
  Pair pair(l, r);
  pair.initiate();
  EXPECT_TRUE(pair.left.up() && pair.right.up());
}

TEST(Rfc7296_1_2, TheKeyExchangeIsOfTheGroupThatTheResponderChose) {
  auto l = connection(true);
  l->proposals = {*Proposal::parse("aes128gcm16-prfsha256-x25519-ecp256", ProtocolId::kIke)};
  for (const bool same : {true, false}) {
    Side side(1);
    Now now{1000s};
    side.endpoint.configure({l}, now);
    side.endpoint.initiate("sites", "net", 1, now);
    BarePeer peer(side, now);
    ASSERT_EQ(peer.waiting(), 1u);
    PayloadWriter out;
    out.sa({*Proposal::parse(same ? "aes128gcm16-prfsha256-x25519" : "aes128gcm16-prfsha256-ecp256",
                             ProtocolId::kIke)});
    out.ke(DhGroup::kX25519, run(DiffieHellman{DhGroup::kX25519, Secret(Buffer(64, 3)), {}}).public_value);
    out.nonce(Buffer(32, 7));
    peer.deliver(write_message({.spi_i = parse_header(side.sent[0])->spi_i,
                                .spi_r = 5,
                                .exchange = Exchange::kIkeSaInit,
                                .flags = kFlagResponse},
                               out));
    EXPECT_EQ(peer.waiting(), same ? 2u : 1u) << "IKE_AUTH follows";
    EXPECT_EQ(side.logged("key exchange is of another group"), !same);
  }
}

TEST(Rfc7296_1_3, AnInvalidKePayloadThatComesTwiceIsFollowedOnce) {
  auto l = connection(true), r = connection(false);
  l->proposals = {*Proposal::parse("aes128gcm16-prfsha256-x25519-ecp256", ProtocolId::kIke)};
  r->proposals = {*Proposal::parse("aes128gcm16-prfsha256-ecp256", ProtocolId::kIke)};
  Pair pair(l, r);
  std::vector<Datagram> answers;
  pair.left.endpoint.initiate("sites", "net", 1, pair.now);
  pair.pump([&](const Datagram& d) {  // the second answer is on the way still when the first comes again
    if (d.remote.address.text() != "198.51.100.1") return false;
    answers.push_back({d.remote, d.local, d.bytes});
    return answers.size() == 2;
  });
  ASSERT_EQ(answers.size(), 2u);
  for (const Datagram& d : answers) {
    pair.left.endpoint.receive(d, pair.now);
    pair.pump();
  }
  EXPECT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_EQ(pair.right.endpoint.status().size(), 1u);
}

TEST(Rfc7296_2_23, ANatMovesThePairToPort4500AndEspIntoUdp) {
  Pair pair;
  pair.nat = [](Datagram& d) {  // the left one is behind it
    if (d.local.address.text() == "198.51.100.2")
      d.remote.port = Port{static_cast<std::uint16_t>(static_cast<unsigned>(d.remote.port) + 10000)};
    if (d.local.address.text() == "198.51.100.1")
      d.local.port = Port{static_cast<std::uint16_t>(static_cast<unsigned>(d.local.port) - 10000)};
  };
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_EQ(pair.left.status().local.port, kNatTraversalPort);
  const SaRef out = pair.right.sas(Direction::kOut).back();
  ASSERT_TRUE(out->udp);
  EXPECT_EQ(out->udp->source, kNatTraversalPort);
  EXPECT_EQ(out->udp->destination, Port{14500});
}

TEST(Rfc3948_4, WhoIsBehindANatKeepsItOpen) {
  Pair pair;
  pair.nat = [](Datagram& d) {  // the left one is behind it
    if (d.local.address.text() == "198.51.100.2")
      d.remote.port = Port{static_cast<std::uint16_t>(static_cast<unsigned>(d.remote.port) + 10000)};
    if (d.local.address.text() == "198.51.100.1")
      d.local.port = Port{static_cast<std::uint16_t>(static_cast<unsigned>(d.local.port) - 10000)};
  };
  pair.initiate();
  pair.wait(50s);
  ASSERT_EQ(pair.left.keepalives.size(), 2u);
  EXPECT_EQ(pair.left.keepalives[0].local.port, kNatTraversalPort);
  EXPECT_EQ(pair.left.keepalives[0].remote.port, kNatTraversalPort);
  EXPECT_TRUE(pair.right.keepalives.empty());
  pair.left.endpoint.rekey(ByName{"sites", ""}, 2, pair.now);
  pair.wait(50s);
  EXPECT_EQ(pair.left.keepalives.size(), 5u) << "the IKE SA that replaces the first goes on";
  pair.left.endpoint.terminate(ByName{"sites", ""}, 3, pair.now);
  pair.wait(50s);
  EXPECT_EQ(pair.left.keepalives.size(), 5u);
  Pair without;
  without.initiate();
  without.wait(50s);
  EXPECT_TRUE(without.left.keepalives.empty());
}

TEST(Rfc7296_2_23, ForcedEncapsulationNeedsNoNat) {
  auto l = connection(true);
  l->force_encap = true;
  Pair pair(l, connection(false));
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_TRUE(pair.left.sas(Direction::kOut).back()->udp && pair.right.sas(Direction::kOut).back()->udp);
}

TEST(Rfc7296_2_6, CookiesAreAskedForUnderLoadAndTheHandshakeStillWorks) {
  Pair pair(connection(true), connection(false), Settings{.cookie_threshold = 0});
  pair.initiate();
  EXPECT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_EQ(pair.right.endpoint.counters().cookies_sent, 1u);
}

TEST(Rfc7296_2_6, AWrongCookieIsAskedForAgain) {
  Side side(1, Settings{.cookie_threshold = 0});
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  const auto offer = connection(false)->proposals;
  PayloadWriter out;
  out.notify(NotifyType::kCookie, Buffer(36, 1));
  out.sa(offer);
  out.ke(DhGroup::kX25519, Buffer(32, 9));
  out.nonce(Buffer(32, 7));
  BarePeer peer(side, now);
  peer.deliver(write_message(
      {.spi_i = 5, .exchange = Exchange::kIkeSaInit, .flags = kFlagInitiator, .message_id = 0}, out));
  EXPECT_EQ(peer.waiting(), 1u);
  EXPECT_EQ(side.endpoint.counters().cookies_bad, 1u);
  EXPECT_TRUE(side.endpoint.status().empty());
}

TEST(Rfc7296_2_6, WhoIsRefusedAfterACookieTriesOnceMoreFromTheBeginning) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  side.endpoint.initiate("sites", "net", 1, now);
  for (const bool second : {false, true}) {
    BarePeer peer(side, now);
    ASSERT_EQ(peer.waiting(), 1u) << "IKE_SA_INIT";
    PayloadWriter cookie, refusal;
    cookie.notify(NotifyType::kCookie, Buffer(20, 7));
    refusal.notify(NotifyType::kAuthenticationFailed);
    // The cookie, and an answer to the request before it: which of our two requests AUTH is over is a guess.
    peer.deliver(write_message({.spi_i = parse_header(side.sent.back())->spi_i,
                                .exchange = Exchange::kIkeSaInit,
                                .flags = kFlagResponse},
                               cookie));
    peer.answer_init();
    peer.skip();  // the request with the cookie
    ASSERT_TRUE(peer.hear());
    EXPECT_EQ(side.done(1), nullptr);
    peer.say(Exchange::kIkeAuth, true, 1, refusal);
    if (!second) continue;
    EXPECT_EQ(peer.waiting(), 0u);
    ASSERT_TRUE(side.done(1));
    EXPECT_FALSE(side.done(1)->ok);
    EXPECT_TRUE(side.endpoint.status().empty());
  }
}

TEST(Rfc7296_2_6, WhatElseWasWantedIsMadeAfterItToo) {
  Side side(1);
  Now now{1000s};
  auto c = connection(true);
  c->children.push_back(c->children[0]);
  c->children[1].name = "net2";
  c->children[1].selectors.remote = {*TrafficSelector::parse("198.18.4.0/24")};
  side.endpoint.configure({c}, now);
  side.endpoint.initiate("sites", "net", 1, now);
  BarePeer refuses(side, now), takes(side, now);
  PayloadWriter cookie, refusal;
  cookie.notify(NotifyType::kCookie, Buffer(20, 7));
  refusal.notify(NotifyType::kAuthenticationFailed);
  ASSERT_EQ(refuses.waiting(), 1u);
  refuses.deliver(write_message({.spi_i = parse_header(side.sent.back())->spi_i,
                                 .exchange = Exchange::kIkeSaInit,
                                 .flags = kFlagResponse},
                                cookie));
  refuses.answer_init();
  refuses.skip();
  ASSERT_TRUE(refuses.hear());
  side.endpoint.initiate("sites", "net2", 2, now);
  refuses.say(Exchange::kIkeAuth, true, 1, refusal);
  takes.answer_init();
  ASSERT_TRUE(takes.hear());
  PayloadWriter auth = takes.authenticated();
  Proposal esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
  esp.spi = spi_bytes(0x1000);
  auth.sa({esp});
  auth.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.1.0/24")});
  auth.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.2.0/24")});
  takes.say(Exchange::kIkeAuth, true, 1, auth);
  const auto net2 = takes.hear();
  ASSERT_TRUE(net2);
  EXPECT_EQ(net2->header.exchange, Exchange::kCreateChildSa);
  EXPECT_TRUE(side.done(1) && side.done(1)->ok);
  EXPECT_EQ(side.done(2), nullptr) << "it is being made";
}

TEST(Rfc7296_2_6, AboveTheLimitInitiatorsAreIgnored) {
  Side side(1, Settings{.half_open_limit = 0});
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  Pair pair(connection(true), connection(false), Settings{.half_open_limit = 0});
  pair.initiate();
  EXPECT_EQ(pair.right.endpoint.counters().ignored, 1u);
  EXPECT_EQ(pair.right.sent.size(), 0u);
}

TEST(Rfc7296_2_6, OneHostDoesNotTakeThePlacesOfTheOthers) {
  for (const bool v4 : {true, false}) {
    Side side(1, Settings{.cookie_threshold = 1000, .half_open_limit = 40});
    Now now{1000s};
    auto c = connection(true);
    c->remote_addrs.clear();
    c->local_addrs.clear();
    side.endpoint.configure({c}, now);
    std::uint64_t spi = 0;
    const auto init = [&](const std::string& from) {
      PayloadWriter out;
      out.sa(connection(false)->proposals);
      out.ke(DhGroup::kX25519, Buffer(32, 9));
      out.nonce(Buffer(32, 7));
      side.endpoint.receive(
          {{*IpAddress::parse(v4 ? "198.51.100.1" : "2001:db8::1"), kIkePort},
           {*IpAddress::parse(from), kIkePort},
           write_message({.spi_i = ++spi, .exchange = Exchange::kIkeSaInit, .flags = kFlagInitiator}, out)},
          now);
      return side.endpoint.counters().half_open;
    };
    for (int i = 0; i < 100; ++i) init(v4 ? "192.0.2.66" : "2001:db8:0:66::" + std::to_string(i + 1));
    EXPECT_EQ(side.endpoint.counters().half_open, 20u);
    EXPECT_EQ(init(v4 ? "192.0.2.1" : "2001:db8:0:1::1"), 21u);
    side.endpoint.tick(now + 31s);
    EXPECT_EQ(side.endpoint.counters().half_open, 0u);
  }
}

TEST(Rfc7296_2_6, NothingLargeIsKeptOfAStranger) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  for (const std::size_t bytes : {31u, 33u, 60000u}) {
    PayloadWriter out;
    out.sa(connection(false)->proposals);
    out.ke(DhGroup::kX25519, Buffer(bytes, 9));
    out.nonce(Buffer(32, 7));
    peer.deliver(
        write_message({.spi_i = bytes, .exchange = Exchange::kIkeSaInit, .flags = kFlagInitiator}, out));
    EXPECT_EQ(side.endpoint.counters().half_open, 0u);
    EXPECT_TRUE(side.endpoint.status().empty());
  }
  EXPECT_EQ(side.endpoint.counters().malformed, 3u);
}

TEST(Reload, LimitsHoldForWhatComes) {
  Pair pair(connection(true), connection(false), Settings{.half_open_limit = 0});
  pair.right.endpoint.configure(Settings{});
  pair.initiate();
  EXPECT_EQ(pair.right.endpoint.counters().ignored, 0u);
  EXPECT_NE(pair.right.sent.size(), 0u);
  for (const IkeStatus& ike : pair.right.endpoint.status())
    EXPECT_EQ(pair.right.endpoint.status(ike.id)->spi_r, ike.spi_r);
  EXPECT_FALSE(pair.right.endpoint.status(IkeSaId{99}));
}

TEST(Rfc7296_2_7, ARefusedInitiatorSaysWhatItOffered) {
  auto r = connection(false);
  r->proposals = {*Proposal::parse("aes256-sha512-modp2048", ProtocolId::kIke)};
  Pair pair(connection(true), r);
  pair.initiate();
  EXPECT_TRUE(pair.left.logged("NO_PROPOSAL_CHOSEN; we offered aes128gcm16-prfsha256-x25519"));
}

TEST(Rfc7296_3_3_1, AProposalOfANewIkeSaNamesNoSpi) {
  for (const bool another : {false, true}) {
    Side side(1);
    Now now{1000s};
    side.endpoint.configure({connection(true)}, now);
    BarePeer peer(side, now);
    Proposal with_spi = connection(false)->proposals[0], without = with_spi;
    with_spi.spi = Buffer(8, 1);
    without.number = 2;
    PayloadWriter out;
    out.sa(another ? std::vector{with_spi, without} : std::vector{with_spi});
    out.ke(with_spi.groups[0],
           run(DiffieHellman{with_spi.groups[0], Secret(Buffer(64, 3)), {}}).public_value);
    out.nonce(Buffer(32, 7));
    peer.deliver(write_message(
        {.spi_i = 5, .exchange = Exchange::kIkeSaInit, .flags = kFlagInitiator, .message_id = 0}, out));
    ASSERT_EQ(peer.waiting(), 1u);
    const Payloads p = *parse_payloads(side.sent[0][16], Bytes(side.sent[0]).subspan(kHeaderBytes));
    EXPECT_EQ(p.find(NotifyType::kNoProposalChosen) == nullptr, another);
    EXPECT_EQ(side.logged("some name an SPI"), !another);
    EXPECT_TRUE(!another || (*p.sa)[0].number == 2);
  }
}

TEST(Rfc7296_2_5, UnknownMajorVersionIsAnsweredUnknownCriticalPayloadToo) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  PayloadWriter out;
  out.nonce(Buffer(32, 7));
  Buffer message = write_message(
      {.spi_i = 5, .exchange = Exchange::kIkeSaInit, .flags = kFlagInitiator, .message_id = 0}, out);
  Buffer version = message;
  version[17] = 0x30;
  peer.deliver(version);
  ASSERT_EQ(peer.waiting(), 1u);
  EXPECT_EQ(load_be16(side.sent[0].data() + 34), 5) << "INVALID_MAJOR_VERSION";
  Buffer critical = message;
  critical[16] = 99;    // the payload's type
  critical[29] = 0x80;  // its critical bit
  peer.deliver(critical);
  ASSERT_EQ(peer.waiting(), 2u);
  EXPECT_EQ(load_be16(side.sent[1].data() + 34), 1) << "UNSUPPORTED_CRITICAL_PAYLOAD";
  EXPECT_EQ(side.sent[1].back(), 99);
  Buffer old = message;
  old[17] = 0x10;
  peer.deliver(old);
  EXPECT_EQ(peer.waiting(), 2u) << "IKEv1 gets no answer";
  EXPECT_EQ(side.endpoint.counters().malformed, 3u);
}

TEST(Rfc7296_2_23, WithoutALocalAddressTheFirstAnswerTellsIt) {
  auto l = connection(true);
  l->local_addrs.clear();
  Pair pair(l, connection(false));
  pair.nat = [](Datagram& d) {  // the kernel chooses the source address
    if (d.remote.address.is_unspecified()) d.remote.address = *IpAddress::parse("198.51.100.1");
  };
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_EQ(pair.left.sas(Direction::kOut).back()->source.text(), "198.51.100.1");
  EXPECT_EQ(pair.left.sas(Direction::kOut).back()->udp.has_value(),
            pair.right.sas(Direction::kIn).back()->udp.has_value());
}

TEST(Rfc7296_2_23, TheResponderMayForceEncapsulationForOneOfItsConnections) {
  auto first = connection(false, "first"), second = connection(false, "second");
  first->remote_id = *Identity::parse("somebody.else");
  second->force_encap = true;
  Pair pair;
  pair.right.endpoint.configure({first, second}, pair.now);
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_TRUE(pair.left.sas(Direction::kOut).back()->udp);
  EXPECT_TRUE(pair.right.sas(Direction::kOut).back()->udp);
  EXPECT_EQ(pair.right.sas(Direction::kOut).back()->udp->source, kNatTraversalPort);
}

TEST(Initiate, ToPort4500FromPort4500) {
  auto l = connection(true);
  l->remote_port = kNatTraversalPort;
  Pair pair;
  pair.left.endpoint.configure({l}, pair.now);
  pair.left.endpoint.initiate("sites", "net", 1, pair.now);
  EXPECT_EQ(pair.left.status().local.port, kNatTraversalPort);
  pair.pump();
  EXPECT_TRUE(pair.left.up() && pair.right.up());
}

TEST(Initiate, ARangeOrAnotherFamilyIsNoAddressToInitiateTo) {
  Pair pair;
  auto l = connection(true);
  l->remote_addrs = {*AddressRange::parse("198.51.100.0/24")};
  pair.left.endpoint.configure({l}, pair.now);
  pair.left.endpoint.initiate("sites", "net", 8, pair.now);
  l = connection(true);
  l->remote_addrs = {*AddressRange::parse("2001:db8::1")};
  pair.left.endpoint.configure({l}, pair.now);
  pair.left.endpoint.initiate("sites", "net", 9, pair.now);
  pair.pump();
  ASSERT_TRUE(pair.left.done(8) && pair.left.done(9));
  EXPECT_THAT(pair.left.done(8)->why, HasSubstr("names no address"));
  EXPECT_THAT(pair.left.done(9)->why, HasSubstr("no local address of the family"));
}

TEST(Initiate, AnIkeSaAloneIsDoneWhenItIsUp) {
  Pair pair;
  pair.left.endpoint.initiate("sites", "", 3, pair.now);
  pair.left.endpoint.initiate("sites", "", 4, pair.now);
  pair.pump(everything());
  EXPECT_EQ(pair.left.done(3), nullptr);
  pair.wait(2s);
  ASSERT_TRUE(pair.left.done(3) && pair.left.done(4));
  EXPECT_TRUE(pair.left.done(3)->ok && pair.left.done(4)->ok);
  EXPECT_EQ(pair.left.endpoint.status().size(), 1u);
}

}  // namespace
}  // namespace simplon::ike::test

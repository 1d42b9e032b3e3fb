// SPDX-License-Identifier: Apache-2.0
// IKE_AUTH with EAP: the rounds, who is believed when, and what a hostile end may try.
#include "ike/eap/packet.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

// The responder proves itself by the shared key, the initiator by its password.
std::shared_ptr<Connection> gateway(bool left = false) {
  auto c = connection(left);
  c->remote_auth = AuthKind::kEap;
  c->remote_id = {};
  c->eap = EapSettings{.methods = {EapKind::kMsChapV2},
                       .passwords = Passwords{{"alice", key("a password")}, {"bob", key("another one")}}};
  return c;
}
std::shared_ptr<Connection> client(const char* user = "alice", const char* password = "a password") {
  auto c = connection(true);
  c->local_auth = AuthKind::kEap;
  c->eap = EapSettings{.methods = {EapKind::kMsChapV2}, .identity = user, .password = key(password)};
  return c;
}

TEST(Rfc7296_2_16, AUserWithItsPasswordGetsItsChild) {
  Pair pair(client(), gateway());
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  pair.expect_working();
  EXPECT_EQ(pair.right.status().remote_id.text(), "alice") << "not the IDi that it sent";
}

TEST(Rfc7296_2_16, EveryMessageMayBeLost) {
  for (unsigned n = 1; n <= 14; ++n) {
    Pair pair(client(), gateway());
    const Lose lose = nth(n);
    pair.left.endpoint.initiate("sites", "net", 1, pair.now);
    pair.pump(lose);
    pair.wait(3s, lose);
    EXPECT_TRUE(pair.left.up() && pair.right.up()) << "message " << n;
  }
}

TEST(Rfc7296_2_16, AWrongPasswordOrAnUnknownUserGetsNothing) {
  for (const auto& [user, password] :
       {std::pair("alice", "a Password"), {"alice", ""}, {"carol", "a password"}}) {
    Pair pair(client(user, password), gateway());
    pair.initiate();
    EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty()) << user;
    EXPECT_TRUE(pair.right.endpoint.status().empty());
    EXPECT_TRUE(pair.right.logged("by EAP failed")) << user;
    EXPECT_TRUE(pair.left.logged("EAP with the peer failed")) << user;
    EXPECT_EQ(pair.right.endpoint.counters().auth_failed, 1u);
  }
}

TEST(Rfc7296_2_16, AConnectionMayBeForOneUserAlone) {
  auto only_bob = gateway();
  only_bob->remote_id = *Identity::parse("bob");
  Pair pair(client(), only_bob);
  pair.initiate();
  EXPECT_TRUE(pair.right.installed.empty());
  EXPECT_TRUE(pair.right.logged("'alice' is nobody whom connection sites is for"));
  Pair other(client("bob", "another one"), only_bob);
  other.initiate();
  EXPECT_TRUE(other.right.up());
}

TEST(Rfc7296_2_16, WhoWantsEapFindsItWhereItIsConfiguredAlone) {
  Pair pair(client(), connection(false));
  pair.initiate();
  EXPECT_TRUE(pair.right.installed.empty());
  EXPECT_TRUE(pair.right.logged("no connection for it has 'auth: eap'"));
}

TEST(Rfc7296_2_16, ASharedKeyIsNoEap) {
  Pair pair(connection(true), gateway());
  pair.initiate();
  EXPECT_TRUE(pair.right.installed.empty()) << "the initiator has the key of the responder, and is no user";
}

TEST(Rfc7296_2_16, AServerThatDoesNotProveItselfIsToldNothing) {
  auto impostor = gateway();
  impostor->psk = key("not the key of the gateway");
  Pair pair(client(), impostor);
  pair.initiate();
  EXPECT_TRUE(pair.left.installed.empty());
  EXPECT_TRUE(pair.left.logged("does not know the shared key"));
  EXPECT_EQ(pair.left.sent.size(), 3u) << "IKE_SA_INIT, IKE_AUTH, and that it is not believed: no EAP";
}

// An initiator of the wire format alone that has begun EAP.
struct Hostile {
  Hostile() : peer(gate, now) {
    gate.endpoint.configure({gateway(true)}, now);
    peer.initiate();
    PayloadWriter out;
    out.id(PayloadType::kIdi, *Identity::parse("alice"));
    peer.say(Exchange::kIkeAuth, false, 1, out);
    first = peer.hear();
  }
  bool ended() const { return gate.endpoint.status().empty() && gate.installed.empty(); }
  Now now{1000s};
  Side gate{2};
  BarePeer peer;
  std::optional<BarePeer::Heard> first;
};

TEST(Rfc7296_2_16, TheFirstResponseProvesTheResponderAndAsksWhoItIs) {
  Hostile h;
  ASSERT_TRUE(h.first && h.first->payloads.auth && h.first->payloads.idr && h.first->payloads.eap);
  const auto packet = parse_eap(*h.first->payloads.eap);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->code, EapCode::kRequest);
  EXPECT_EQ(packet->type, EapType::kIdentity);
}

TEST(Rfc7296_2_16, AuthBeforeEapIsDoneIsRefused) {
  Hostile h;
  h.peer.say(Exchange::kIkeAuth, false, 2, h.peer.authenticated());
  const auto answer = h.peer.hear();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->payloads.find(NotifyType::kAuthenticationFailed));
  EXPECT_TRUE(h.ended());
}

TEST(Rfc7296_2_16, GarbageInPlaceOfEapEndsIt) {
  for (const Buffer& garbage :
       {Buffer{}, Buffer{3, 1, 0, 4}, Buffer{2, 9, 0, 4}, Buffer(2000, 2), Buffer{2, 0, 0, 5, 1}}) {
    Hostile h;
    PayloadWriter out;
    out.add(PayloadType::kEap, garbage);
    h.peer.say(Exchange::kIkeAuth, false, 2, out);
    (void)h.peer.hear();
    EXPECT_TRUE(h.gate.installed.empty());
    for (const IkeStatus& s : h.gate.endpoint.status()) EXPECT_NE(s.state, IkeState::kEstablished);
  }
}

// strongSwan does so when it is told that its password is wrong.
TEST(Rfc7296_2_21_2, AnInitiatorMayGiveUpEapInAnInformationalExchange) {
  Hostile h;
  PayloadWriter out;
  out.notify(NotifyType::kAuthenticationFailed);
  h.peer.say(Exchange::kInformational, false, 2, out);
  const auto answer = h.peer.hear();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->payloads.notifies.empty());
  EXPECT_TRUE(h.ended());
  EXPECT_TRUE(h.gate.logged("by EAP failed: the initiator gives up"));
}

TEST(Rfc7296_2_16, WhoStopsIsForgotten) {
  Hostile h;
  h.gate.endpoint.tick(h.now += 29s);
  EXPECT_EQ(h.gate.endpoint.counters().half_open, 1u);
  h.gate.endpoint.tick(h.now += 2s);
  EXPECT_EQ(h.gate.endpoint.counters().half_open, 0u);
}

}  // namespace
}  // namespace simplon::ike::test

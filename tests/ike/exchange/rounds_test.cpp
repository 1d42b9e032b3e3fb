// SPDX-License-Identifier: Apache-2.0
// Authentication in two rounds (RFC 4739): a shared key of the machine, then the password of its user.
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

std::shared_ptr<Connection> gateway(bool left = false) {
  auto c = connection(left);
  c->remote_then_eap = true;
  c->eap = EapSettings{.methods = {EapKind::kMsChapV2}, .passwords = Passwords{{"alice", key("a password")}}};
  return c;
}
std::shared_ptr<Connection> client(const char* password = "a password") {
  auto c = connection(true);
  c->local_then_eap = true;
  c->eap = EapSettings{.methods = {EapKind::kMsChapV2}, .identity = "alice", .password = key(password)};
  return c;
}
bool nothing(const Pair& pair) { return pair.left.installed.empty() && pair.right.installed.empty(); }

TEST(Rfc4739, TheMachineAndItsUserProveThemselvesThenComesTheChild) {
  Pair pair(client(), gateway());
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up()) << (pair.right.log.empty() ? "" : pair.right.log.back());
  pair.expect_working();
  EXPECT_EQ(pair.right.status().remote_id.text(), "a.example") << "whom the first round has proved";
}

TEST(Rfc4739, EveryMessageMayBeLost) {
  for (unsigned n = 1; n <= 16; ++n) {
    Pair pair(client(), gateway());
    const Lose lose = nth(n);
    pair.left.endpoint.initiate("sites", "net", 1, pair.now);
    pair.pump(lose);
    pair.wait(3s, lose);
    EXPECT_TRUE(pair.left.up() && pair.right.up()) << "message " << n;
  }
}

TEST(Rfc4739, EachRoundCounts) {
  Pair wrong_user(client("not the password"), gateway());
  wrong_user.initiate();
  EXPECT_TRUE(nothing(wrong_user));
  EXPECT_TRUE(wrong_user.right.endpoint.status().empty());
  auto stranger = client();
  stranger->psk = key("not the key of the machine");
  Pair wrong_machine(stranger, gateway());
  wrong_machine.initiate();
  EXPECT_TRUE(nothing(wrong_machine));
  EXPECT_TRUE(wrong_machine.right.logged("does not know the shared key"));
}

TEST(Rfc4739, WhoLeavesARoundAwayIsRefused) {
  Pair pair(connection(true), gateway());
  pair.initiate();
  EXPECT_TRUE(nothing(pair));
  EXPECT_TRUE(pair.right.logged("a second authentication, which the initiator does not announce"));
  auto eap_alone = client();
  eap_alone->local_then_eap = false, eap_alone->local_auth = AuthKind::kEap;
  Pair no_first(eap_alone, gateway());
  no_first.initiate();
  EXPECT_TRUE(nothing(no_first)) << "the user without its machine";
}

TEST(Rfc4739, ARoundMoreThanConfiguredIsNotBegun) {
  Pair pair(client(), connection(false));
  pair.initiate();
  EXPECT_TRUE(nothing(pair));
  EXPECT_TRUE(pair.left.logged("takes no second authentication"));
}

// An initiator of the wire format alone, behind its first round.
struct Hostile {
  explicit Hostile(bool announce = true) : peer(gate, now) {
    gate.endpoint.configure({gateway(true)}, now);
    peer.initiate();
    PayloadWriter out = peer.authenticated();
    BarePeer::add_child(out, "aes128gcm16", 0x11111111);
    if (announce) out.notify(NotifyType::kAnotherAuthFollows);
    peer.say(Exchange::kIkeAuth, false, 1, out);
    first = peer.hear();
  }
  bool ended() const { return gate.endpoint.status().empty() && gate.installed.empty(); }
  Now now{1000s};
  Side gate{2};
  BarePeer peer;
  std::optional<BarePeer::Heard> first;
};

TEST(Rfc4739, TheFirstRoundAloneGivesNothing) {
  Hostile h;
  ASSERT_TRUE(h.first && h.first->payloads.auth);
  EXPECT_FALSE(h.first->payloads.sa || h.first->payloads.tsi || h.first->payloads.eap);
  EXPECT_TRUE(h.gate.installed.empty());
  for (const IkeStatus& s : h.gate.endpoint.status()) EXPECT_NE(s.state, IkeState::kEstablished);
  h.gate.endpoint.tick(h.now += 31s);
  EXPECT_TRUE(h.ended()) << "who does not go on is forgotten";
  Hostile without(false);
  EXPECT_TRUE(without.ended());
}

TEST(Rfc4739, TheSecondRoundIsEapAndNothingElse) {
  for (const int how : {0, 1, 2}) {
    Hostile h;
    PayloadWriter out;
    if (how == 0) out = h.peer.authenticated();  // the same proof once more
    if (how == 1) out.add(PayloadType::kEap, Buffer{2, 1, 0, 5, 1});
    h.peer.say(Exchange::kIkeAuth, false, 2, out);
    const auto answer = h.peer.hear();
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->payloads.find(NotifyType::kAuthenticationFailed)) << how;
    EXPECT_TRUE(h.ended()) << how;
  }
}

}  // namespace
}  // namespace simplon::ike::test

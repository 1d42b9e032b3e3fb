// SPDX-License-Identifier: Apache-2.0
// NULL authentication (RFC 7619): who gets in by it, and that none harms another.
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

// The gateway proves itself by the shared key; who calls it need not.
std::shared_ptr<Connection> gateway() {
  auto c = connection(false);
  c->remote_auth = AuthKind::kNull;
  c->remote_id = {};
  return c;
}
std::shared_ptr<Connection> client() {
  auto c = connection(true);
  c->local_auth = AuthKind::kNull;
  c->local_id = {IdType::kNull, {}};
  return c;
}

TEST(Rfc7619_2, AnAnonymousInitiatorGetsItsChild) {
  Pair pair(client(), gateway());
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  pair.expect_working();
  EXPECT_TRUE(pair.right.status().remote_id.text().starts_with("anonymous:"));
}

TEST(Rfc7619_2, BothMayBeAnonymous) {
  auto left = client(), right = gateway();
  left->remote_auth = AuthKind::kNull, left->remote_id = {};
  right->local_auth = AuthKind::kNull, right->local_id = {IdType::kNull, {}};
  Pair pair(left, right);
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
}

TEST(Rfc7619_2_4, WhereAnotherMethodIsConfiguredNobodyIsAnonymous) {
  for (const bool any : {false, true}) {
    auto right = connection(false);
    if (any) right->remote_id = {};
    Pair pair(client(), right);
    pair.initiate();
    EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
    EXPECT_EQ(pair.right.endpoint.counters().auth_failed, 1u);
  }
}

TEST(Rfc7619_2_4, AnAnonymousResponderIsNotTheOneThatWasMeant) {
  auto right = connection(false);
  right->local_auth = AuthKind::kNull, right->local_id = {IdType::kNull, {}};
  Pair pair(connection(true), right);
  pair.initiate();
  EXPECT_TRUE(pair.left.installed.empty());
}

TEST(Rfc7619_2_2, AnIdentityThatIsNotProvedCountsForNothing) {
  auto left = client();
  left->local_id = *Identity::parse("a.example");  // "for logging", as the RFC has it
  Pair pair(left, gateway());
  pair.initiate();
  ASSERT_TRUE(pair.right.up());
  EXPECT_TRUE(pair.right.status().remote_id.text().starts_with("anonymous:"));
}

// Initiators of the wire format alone, each of another IKE SPI.
struct Crowd {
  Crowd() {
    auto c = connection(true);
    c->remote_auth = AuthKind::kNull;
    c->remote_id = {};
    gate.endpoint.configure({c}, now);
  }
  bool call(std::uint64_t spi) {
    BarePeer peer(gate, now, spi);
    peer.initiate();
    PayloadWriter out;
    const Identity id{IdType::kNull, {}};
    out.id(PayloadType::kIdi, id);
    out.notify(NotifyType::kInitialContact);
    out.auth(peer.null_auth(id), AuthMethod::kNull);
    peer.say(Exchange::kIkeAuth, false, 1, out);
    const auto answer = peer.hear();
    return answer && answer->payloads.auth;
  }
  std::size_t established() const {
    return static_cast<std::size_t>(
        std::ranges::count(gate.endpoint.status(), IkeState::kEstablished, &IkeStatus::state));
  }
  Now now{1000s};
  Side gate{2};
};

TEST(Rfc7619_2_3, InitialContactOfAnAnonymousPeerEndsNoOther) {
  Crowd crowd;
  EXPECT_TRUE(crowd.call(1));
  EXPECT_TRUE(crowd.call(2));
  EXPECT_EQ(crowd.established(), 2u);
}

TEST(Rfc7619_3, AHostMayNotHaveEverMoreAndNoneGoesForAnother) {
  Crowd crowd;
  for (std::uint64_t i = 1; i <= 16; ++i) EXPECT_TRUE(crowd.call(i)) << i;
  EXPECT_FALSE(crowd.call(17));
  EXPECT_EQ(crowd.established(), 16u);
  EXPECT_TRUE(crowd.gate.logged("too many anonymous peers"));
}

TEST(Rfc7619_2_2, AnIdNullWithDataIsMalformed) {
  PayloadWriter out;
  out.id(PayloadType::kIdi, {IdType::kNull, Buffer(16, 1)});
  EXPECT_FALSE(parse_payloads(out.first(), out.bytes()));
  PayloadWriter good;
  good.id(PayloadType::kIdi, {IdType::kNull, {}});
  EXPECT_TRUE(parse_payloads(good.first(), good.bytes()));
}

}  // namespace
}  // namespace simplon::ike::test

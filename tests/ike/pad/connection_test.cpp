// SPDX-License-Identifier: Apache-2.0
#include "ike/pad/connection.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

SharedSecret secret(std::string_view text) { return Secret(bytes_of(text)); }

// One change of each field of a Peer. A structured binding names every field: a new one does not compile
// until it has its line here.
std::vector<std::function<void(Peer&)>> changes() {
  Peer all;
  auto& [name, local_addrs, remote_addrs, remote_port, local_id, remote_id, local_auth, remote_auth,
         local_then_eap, remote_then_eap, psk, credential, trust, eap, proposals, rekey_time, over_time,
         reauth_time, dpd_delay, wanted_addresses, force_encap, mobike, retransmission] = all;
  (void)name, (void)local_addrs, (void)remote_addrs, (void)remote_port, (void)local_id, (void)remote_id,
      (void)local_auth, (void)remote_auth, (void)local_then_eap, (void)remote_then_eap, (void)psk,
      (void)credential, (void)trust, (void)eap;
  (void)proposals, (void)rekey_time, (void)over_time, (void)reauth_time, (void)dpd_delay,
      (void)wanted_addresses, (void)force_encap, (void)mobike, (void)retransmission;
  return {
      [](Peer& p) { p.name = "x"; },
      [](Peer& p) { p.local_addrs.push_back(*IpAddress::parse("192.0.2.1")); },
      [](Peer& p) { p.remote_addrs.emplace_back(); },
      [](Peer& p) { p.remote_port = Port{501}; },
      [](Peer& p) { p.local_id = *Identity::parse("x"); },
      [](Peer& p) { p.remote_id = *Identity::parse("x"); },
      [](Peer& p) { p.local_auth = AuthKind::kPubkey; },
      [](Peer& p) { p.remote_auth = AuthKind::kPubkey; },
      [](Peer& p) { p.local_then_eap = true; },
      [](Peer& p) { p.remote_then_eap = true; },
      [](Peer& p) { p.credential = Credential{}; },
      [](Peer& p) { p.credential = Credential{.key = secret("key")}; },
      [](Peer& p) { p.trust = Trust{}; },
      [](Peer& p) { p.trust = Trust{.crls = {Buffer(1)}}; },
      [](Peer& p) { p.eap = EapSettings{}; },
      [](Peer& p) { p.eap = EapSettings{.passwords = Passwords{{"alice", secret("key")}}}; },
      [](Peer& p) { p.psk = secret("yek"); },
      [](Peer& p) { p.psk = {}; },
      [](Peer& p) { p.proposals.emplace_back(); },
      [](Peer& p) { p.rekey_time = seconds{1}; },
      [](Peer& p) { p.over_time = seconds{1}; },
      [](Peer& p) { p.reauth_time = seconds{1}; },
      [](Peer& p) { p.dpd_delay = seconds{1}; },
      [](Peer& p) { p.wanted_addresses = {Family::kV6}; },
      [](Peer& p) { p.force_encap = true; },
      [](Peer& p) { p.mobike = false; },
      [](Peer& p) { p.retransmission.first = milliseconds{1}; },
      [](Peer& p) { p.retransmission.longest = milliseconds{1}; },
      [](Peer& p) { p.retransmission.tries = 1; },
  };
}

TEST(Rfc4301_4_4_3, PeersAreEqualWhenEveryFieldIs) {
  Peer a, b;
  a.psk = secret("key");
  b.psk = secret("key");
  EXPECT_EQ(a, b) << "two copies of one key";
  for (std::size_t i = 0; i < changes().size(); ++i) {
    Peer c = b;
    changes()[i](c);
    EXPECT_FALSE(a == c || c == a) << "change " << i;
  }
}

TEST(Rfc4301_4_4_3, ARenewedCertificateIsOfTheSamePeer) {
  const Identity me = *Identity::parse("gw.example"), other = *Identity::parse("x.example");
  Peer a;
  a.credential = Credential{.chain = {Buffer(3, 1)}, .key = secret("one"), .names = {me}};
  a.trust = Trust{.authorities = {Buffer(4, 1)}, .crls = {Buffer(5, 1)}};
  Peer b = a;
  b.credential = Credential{.chain = {Buffer(3, 2)}, .key = secret("two"), .names = {me}};
  b.trust = Trust{.authorities = {Buffer(4, 1)}, .crls = {Buffer(5, 2)}};
  EXPECT_FALSE(a == b);
  EXPECT_TRUE(a.like(b)) << "the certificate, its key and the list of revoked ones";
  Peer c = b;
  c.credential = Credential{.chain = {Buffer(3, 2)}, .key = secret("two"), .names = {other}};
  EXPECT_FALSE(a.like(c)) << "other names";
  c = b;
  c.trust = Trust{.authorities = {Buffer(4, 2)}};
  EXPECT_FALSE(a.like(c)) << "another authority";
  c = b;
  c.trust = {};
  EXPECT_FALSE(a.like(c));
}

TEST(Rfc4301_4_4_3, TheChildrenDoNotMakeAnotherPeer) {
  Connection a, b;
  b.children.resize(1);
  EXPECT_TRUE(a.peer() == b.peer());
  EXPECT_FALSE(a == b);
}

TEST(Connection, AChildIsFoundByItsName) {
  Connection c;
  c.children.resize(2);
  c.children[1].name = "net";
  EXPECT_EQ(c.child("net"), &c.children[1]);
  EXPECT_EQ(c.child("other"), nullptr);
}

}  // namespace
}  // namespace simplon::ike::test

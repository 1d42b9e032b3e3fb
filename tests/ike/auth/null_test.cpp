// SPDX-License-Identifier: Apache-2.0
#include "ike/auth/null.h"

#include <gtest/gtest.h>

#include "ike/message/payload_writer.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

TEST(Rfc7619_2_1, AuthIsByTheKeyOfTheSignerAndShowsThatItSpokeInIkeSaInit) {
  const IkeKeys keys = derive_keys(*Proposal::parse("aes128gcm16-prfsha256-x25519", ProtocolId::kIke),
                                   Buffer(32, 1), Buffer(32, 2), Buffer(32, 3), 4, 5);
  const Buffer message(100, 6), nonce(32, 7), id = id_body({IdType::kNull, {}});
  EXPECT_EQ(id, hex("0d 000000"));
  Peer peer;
  peer.local_auth = peer.remote_auth = AuthKind::kNull;
  const auto one = configured_authenticator(peer);
  for (const bool initiator : {true, false}) {
    const AuthOctets octets{keys, initiator, message, nonce, id};
    const auto auth = *std::get<Result<Authentication>>(one->sign(octets, {}));
    EXPECT_EQ(auth.method, AuthMethod::kNull);
    EXPECT_EQ(auth.data,
              psk_auth(keys, initiator, (initiator ? keys.sk_pi : keys.sk_pr).bytes(), message, nonce, id));
    const auto verify = [&](const AuthOctets& over, const Authentication& what) {
      return std::get<Result<Proved>>(one->verify(over, {Identity{}, what, {}})).has_value();
    };
    EXPECT_TRUE(verify(octets, auth));
    EXPECT_FALSE(verify(octets, {AuthMethod::kSharedKey, auth.data})) << "another method";
    EXPECT_FALSE(verify({keys, !initiator, message, nonce, id}, auth));
    EXPECT_FALSE(verify({keys, initiator, nonce, nonce, id}, auth));
    EXPECT_FALSE(verify(octets, {AuthMethod::kNull, {}}));
  }
}

TEST(Rfc7619_2_1, WhereAnotherMethodIsConfiguredItIsRefused) {
  const IkeKeys keys = derive_keys(*Proposal::parse("aes128gcm16-prfsha256-x25519", ProtocolId::kIke),
                                   Buffer(32, 1), Buffer(32, 2), Buffer(32, 3), 4, 5);
  const Buffer message(100, 6), nonce(32, 7), id = id_body({IdType::kNull, {}});
  const AuthOctets octets{keys, true, message, nonce, id};
  const auto auth = *std::get<Result<Authentication>>(NullAuthenticator().sign(octets, {}));
  for (const AuthKind kind : {AuthKind::kPsk, AuthKind::kPubkey, AuthKind::kEap}) {
    Peer peer;
    peer.psk = Secret(bytes_of("a shared secret"));
    peer.remote_auth = kind;
    const auto verdict = configured_authenticator(peer)->verify(octets, {Identity{}, auth, {}});
    ASSERT_TRUE(std::holds_alternative<Result<Proved>>(verdict));
    EXPECT_FALSE(std::get<Result<Proved>>(verdict));
  }
}

TEST(Rfc7619_2_2, AnonymousPeersAreAllDifferent) {
  EXPECT_EQ(anonymous_identity(1, 2), anonymous_identity(1, 2));
  EXPECT_FALSE(anonymous_identity(1, 2) == anonymous_identity(1, 3));
  EXPECT_NE(anonymous_identity(1, 2).key(), anonymous_identity(2, 2).key());
  EXPECT_FALSE(anonymous_identity(0, 0).is_any());
  EXPECT_EQ(anonymous_identity(1, 2).text(), "anonymous:00000000000000010000000000000002");
}

}  // namespace
}  // namespace simplon::ike::test

// SPDX-License-Identifier: Apache-2.0
#include "ike/auth/psk.h"

#include <gtest/gtest.h>

#include "ike/message/payload_writer.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

TEST(Rfc7296_2_15, ASharedKeyAnswersAtOnceAndProvesItselfToWhoeverKnowsIt) {
  const IkeKeys keys = derive_keys(*Proposal::parse("aes128gcm16-prfsha256-x25519", ProtocolId::kIke),
                                   Buffer(32, 1), Buffer(32, 2), Buffer(32, 3), 4, 5);
  const Buffer message(100, 6), nonce(32, 7), id = id_body(*Identity::parse("a.example"));
  const AuthOctets octets{keys, true, message, nonce, id};
  Peer peer, other;
  peer.psk = Secret(bytes_of("a shared secret"));
  other.psk = Secret(bytes_of("another secret"));
  const auto step = configured_authenticator(peer)->sign(octets, {});
  ASSERT_TRUE(std::holds_alternative<Result<Authentication>>(step));
  const Authentication auth = *std::get<Result<Authentication>>(step);
  const auto verify = [](const Peer& by, const AuthOctets& over, const Authentication& what) {
    return std::get<Result<Proved>>(configured_authenticator(by)->verify(over, {Identity{}, what, {}}))
        .has_value();
  };
  EXPECT_TRUE(verify(peer, octets, auth));
  EXPECT_FALSE(verify(other, octets, auth));
  EXPECT_FALSE(verify(peer, octets, {AuthMethod{1}, auth.data})) << "another method";
  for (const AuthOctets& changed :
       {AuthOctets{keys, false, message, nonce, id}, AuthOctets{keys, true, nonce, nonce, id},
        AuthOctets{keys, true, message, message, id}, AuthOctets{keys, true, message, nonce, nonce}})
    EXPECT_FALSE(verify(peer, changed, auth));
}

}  // namespace
}  // namespace simplon::ike::test

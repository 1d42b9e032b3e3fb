// SPDX-License-Identifier: Apache-2.0
// Integrity in the proposals of ESP, as other implementations offer it.
#include "ike/message/negotiation.h"

#include <gtest/gtest.h>

#include "ike/message/sa_payload.h"

namespace simplon::ike::test {
namespace {

Proposal esp(std::string_view text) { return *Proposal::parse(text, ProtocolId::kEsp); }
Proposal as_it_comes(const Proposal& p) { return parse_sa(sa_body({p}))->at(0); }
// Beside what it has: INTEG NONE, which some send with an AEAD.
Proposal with_none(Proposal p) {
  p.unknown.push_back({TransformType::kInteg, 0});
  return p;
}

TEST(Rfc4303_3_2, ACipherWithoutIntegrityIsNotAgreedTo) {
  for (const char* suite : {"null-sha256", "aes128-sha256", "aes128ctr-sha1", "3des-sha1"}) {
    Proposal bare = esp(suite);
    bare.integs.clear();
    for (const Proposal& p : {bare, with_none(bare)}) {
      EXPECT_FALSE(choose({as_it_comes(p)}, {esp(suite)})) << suite;
      EXPECT_FALSE(is_choice_of(as_it_comes(p), {esp(suite)})) << suite << ", as an answer";
    }
    EXPECT_TRUE(choose({as_it_comes(esp(suite))}, {esp(suite)}));
  }
}

TEST(Rfc7296_3_3_3, AnAeadIsTakenWhateverIntegrityIsOfferedBesideIt) {
  for (const char* suite : {"aes128gcm16", "aes256gmac", "chacha20poly1305-x25519", "aes128ccm8-ecp256"}) {
    Proposal hmac = esp(suite);
    hmac.integs = esp("aes128-sha1").integs;
    for (const Proposal& p : {with_none(esp(suite)), hmac}) {
      const auto chosen = choose({as_it_comes(p)}, {esp(suite)});
      ASSERT_TRUE(chosen) << suite;
      EXPECT_EQ(chosen->text(), suite);
      EXPECT_EQ(chosen->suite().keymat(), esp(suite).suite().keymat()) << "no key for an HMAC";
    }
    EXPECT_TRUE(is_choice_of(as_it_comes(with_none(esp(suite))), {esp(suite)})) << "as an answer";
  }
}

}  // namespace
}  // namespace simplon::ike::test

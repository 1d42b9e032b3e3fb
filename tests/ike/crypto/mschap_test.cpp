// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/mschap.h"

#include <gtest/gtest.h>

#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

const Buffer kAuthenticator = hex("5B5D7C7D7B3F2F3E3C2C602132262628");
const Buffer kPeer = hex("21402324255E262A28295F2B3A337C7E");
const Buffer kResponse = hex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF");

TEST(Rfc2759, TheExampleOfSection9_2) {
  const Secret hash = nt_password_hash(bytes_of("clientPass"));
  EXPECT_EQ(copy_of(hash.bytes()), hex("44EBBA8D5312B8D611474411F56989AE"));
  const MsChapExchange exchange{kAuthenticator, kPeer, "User"};
  EXPECT_EQ(nt_response(exchange, hash), kResponse);
  EXPECT_EQ(authenticator_response(exchange, hash, kResponse), "S=407A5589115FD0D6209F510FE9C04566932CDA56");
}

TEST(Rfc2759, TheDomainOfAUserDoesNotCount) {
  const Secret hash = nt_password_hash(bytes_of("clientPass"));
  EXPECT_EQ(nt_response({kAuthenticator, kPeer, "BIGCO\\User"}, hash), kResponse);
  EXPECT_NE(nt_response({kAuthenticator, kPeer, "BIGCO/User"}, hash), kResponse);
  EXPECT_EQ(without_domain("a\\b\\c"), "b\\c");
  EXPECT_EQ(without_domain("a\\"), "");
}

TEST(Rfc3079, TheExampleOfSection3_5_3) {
  const Secret msk = mschap_msk(nt_password_hash(bytes_of("clientPass")), kResponse);
  ASSERT_EQ(msk.size(), 64u);
  EXPECT_EQ(copy_of(msk.bytes().subspan(16, 16)), hex("8B7CDC149B993A1BA118CB153F56DCCB"))
      << "SendStartKey128";
  EXPECT_NE(copy_of(msk.bytes().first(16)), copy_of(msk.bytes().subspan(16, 16)));
  EXPECT_EQ(copy_of(msk.bytes().last(32)), Buffer(32));
}

// MD4 of the UTF-16 of the same characters.
TEST(Rfc2759, APasswordIsUnicode) {
  const auto same = [](const char* a, const char* b) {
    return copy_of(nt_password_hash(bytes_of(a)).bytes()) == copy_of(nt_password_hash(bytes_of(b)).bytes());
  };
  EXPECT_TRUE(same("caf\xc3\xa9", "caf\xe9")) << "an octet that is no UTF-8 is a character of Latin-1";
  EXPECT_TRUE(same("\xc0\xaf", "\xc3\x80\xc2\xaf")) << "overlong";
  EXPECT_TRUE(same("\xed\xa0\x80", "\xc3\xad\xc2\xa0\xc2\x80")) << "half a pair";
  EXPECT_TRUE(same("\xf0\x9f\x98", "\xc3\xb0\xc2\x9f\xc2\x98")) << "cut off";
  EXPECT_FALSE(same("\xf0\x9f\x98\x80", "\xc3\xb0\xc2\x9f\xc2\x98\xc2\x80")) << "one beyond 16 bits";
  EXPECT_FALSE(same("\xe2\x82\xac", "\xc3\xa2\xc2\x82\xc2\xac")) << "the euro";
}

}  // namespace
}  // namespace simplon::ike::test

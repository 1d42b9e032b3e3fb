// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/radius.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

const Bytes kSecret = bytes_of("xyzzy5461");

RadiusAuthenticator authenticator(std::string_view text) {
  RadiusAuthenticator out{};
  std::ranges::copy(hex(text), out.begin());
  return out;
}

TEST(Radius, IsAvailable) { EXPECT_TRUE(radius_available()); }

// The authenticator stands in the packet already: it does not count.
TEST(Rfc2865, TheResponsesOfSection7) {
  const std::pair<const char*, const char*> vectors[] = {
      {"0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a",
       "02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2 06 06 00 00 00 01 0f 06 00 00 00 00 0e "
       "06 "
       "c0 a8 01 03"},
      {"2a ee 86 f0 8d 0d 55 96 9c a5 97 8e 0d 33 67 a2",
       "02 01 00 38 15 ef bc 7d ab 26 cf a3 dc 34 d9 c0 3c 86 01 a4 06 06 00 00 00 02 07 06 00 00 00 01 08 "
       "06 "
       "ff ff ff fe 0a 06 00 00 00 02 0d 06 00 00 00 01 0c 06 00 00 05 dc"}};
  for (const auto& [request, response] : vectors) {
    const Buffer packet = hex(response);
    EXPECT_EQ(copy_of(radius_authenticator(packet, authenticator(request), kSecret)),
              copy_of(Bytes(packet).subspan(4, 16)));
  }
}

TEST(Rfc5997, TheMessageAuthenticatorOfSection6) {
  const auto request = authenticator("8a 54 f4 68 6f b3 94 c5 28 66 e3 02 18 5d 06 23");
  const Buffer packet =
      hex("0c da 00 26 8a 54 f4 68 6f b3 94 c5 28 66 e3 02 18 5d 06 23 50 12 5a 66 5e 2e 1e 84 11 f3 e2 43 "
          "82 20 97 c8 "
          "4f a3");
  EXPECT_EQ(copy_of(radius_message_authenticator(packet, request, 22, kSecret)),
            hex("5a 66 5e 2e 1e 84 11 f3 e2 43 82 20 97 c8 4f a3"));
  EXPECT_EQ(copy_of(radius_authenticator(hex("02 da 00 14 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"),
                                         request, kSecret)),
            hex("ef 0d 55 2a 4b f2 d6 93 ec 2b 6f e8 b5 41 1d 66"));
}

// The RFC has no example; these were made by another program, by its section 2.4.2.
TEST(Rfc2548, KeysAreDecrypted) {
  const auto request = authenticator("000102030405060708090a0b0c0d0e0f");
  const auto key = radius_mppe_key(hex("8102c5687c21e359fc1b52a51ce9d4f059fd3de0e089a735b4a30d5052ec23183a22b"
                                       "1abee4da6f317812a0002f6a690a927"),
                                   request, kSecret);
  ASSERT_TRUE(key);
  EXPECT_EQ(copy_of(key->bytes()), hex("202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"));
  const auto half = radius_mppe_key(
      hex("91034360179fd304666efd4322c0b9e58729b0aec0cdc3e557e37333a59ab5cd4b69"), request, kSecret);
  ASSERT_TRUE(half);
  EXPECT_EQ(copy_of(half->bytes()), hex("202122232425262728292a2b2c2d2e2f"));
}

TEST(Rfc2548, WhatIsNoKeyIsNone) {
  EXPECT_FALSE(radius_mppe_key({}, {}, kSecret));
  EXPECT_FALSE(radius_mppe_key(Buffer(2), {}, kSecret));
  EXPECT_FALSE(radius_mppe_key(Buffer(17), {}, kSecret));
  EXPECT_FALSE(radius_mppe_key(Buffer(33), {}, kSecret));
  // Another secret gives another length, mostly one that cannot be.
  const auto request = authenticator("000102030405060708090a0b0c0d0e0f");
  const auto value = hex("91034360179fd304666efd4322c0b9e58729b0aec0cdc3e557e37333a59ab5cd4b69");
  const auto key = radius_mppe_key(value, request, bytes_of("another"));
  EXPECT_TRUE(!key || copy_of(key->bytes()) != hex("202122232425262728292a2b2c2d2e2f"));
}

}  // namespace
}  // namespace simplon::ike::test

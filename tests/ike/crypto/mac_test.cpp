// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/mac.h"

#include <gtest/gtest.h>

#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

struct IcvVector {
  const char *integ, *source, *key, *message, *icv;
};
constexpr const char *kCounting = "000102030405060708090a0b0c0d0e0f",
                     *kCmacKey = "2b7e151628aed2a6abf7158809cf4f3c", *kHi = "4869205468657265",
                     *kElevens = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";
constexpr IcvVector kIcvs[] = {
    {"md5", "RFC 2202 section 2 case 1", kElevens, kHi, "9294727a3638bb1c13f48ef8"},
    {"sha1", "RFC 2202 section 3 case 1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", kHi,
     "b617318655057264e28bc0b6"},
    {"aesxcbc", "RFC 3566 section 4.6 case 1", kCounting, "", "75f0251d528ac01c4573dfd5"},
    {"aesxcbc", "case 2", kCounting, "000102", "5b376580ae2f19afe7219cee"},
    {"aesxcbc", "case 3", kCounting, "000102030405060708090a0b0c0d0e0f", "d2a246fa349b68a79998a439"},
    {"aesxcbc", "case 4", kCounting, "000102030405060708090a0b0c0d0e0f10111213", "47f51b4564966215b8985c63"},
    {"aescmac", "RFC 4494 section 2 case 1", kCmacKey, "", "bb1d6929e95937287fa37d12"},
    {"aescmac", "case 2", kCmacKey, "6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9d"},
    {"aescmac", "case 3", kCmacKey,
     "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
     "dfa66747de9ae63030ca3261"}};

TEST(Rfc3566_4_6, IcvsAreThePublishedOnes) {
  for (const IcvVector& v : kIcvs)
    EXPECT_EQ(icv_of(*find_integ(v.integ), hex(v.key), hex(v.message)), hex(v.icv))
        << v.integ << ", " << v.source;
}

struct PrfVector {
  PrfId id;
  const char *key, *out;
};
// RFC 4434 §2.1 to 2.3 and RFC 4615 §4: keys of 16, 10 and 18 octets, and the message 00 01 … 13.
constexpr PrfVector kPrfVectors[] = {
    {PrfId::kAesXcbc, kCounting, "47f51b4564966215b8985c63055ed308"},
    {PrfId::kAesXcbc, "00010203040506070809", "0fa087af7d866e7653434e602fdde835"},
    {PrfId::kAesXcbc, "000102030405060708090a0b0c0d0e0fedcb", "8cd3c93ae598a9803006ffb67c40e9e4"},
    {PrfId::kAesCmac, kCounting, "980ae87b5f4c9c5214f5b6a8455e4c2d"},
    {PrfId::kAesCmac, "00010203040506070809", "290d9e112edb09ee141fcf64c0b72f3d"},
    {PrfId::kAesCmac, "000102030405060708090a0b0c0d0e0fedcb", "84a348a4a45d235babfffc0d2b4da09a"}};

TEST(Rfc4434_2, KeysOfEveryLengthGiveThePublishedOutput) {
  for (const PrfVector& v : kPrfVectors)
    EXPECT_EQ(prf_of(v.id, hex(v.key), hex("000102030405060708090a0b0c0d0e0f10111213")), hex(v.out)) << v.key;
}

TEST(Rfc7296_2_14, EachFunctionGivesAsMuchAsTheTableSays) {
  for (const Prf& prf : kPrfs)
    EXPECT_EQ(prf_of(prf.id, Buffer(5, 1), Buffer(3, 2)).size(), prf.bytes) << prf.name;
  EXPECT_EQ(prf_nonce_bytes(PrfId::kAesXcbc, 32), 8u);
  EXPECT_EQ(prf_nonce_bytes(PrfId::kSha256, 32), 32u);
}

}  // namespace
}  // namespace simplon::ike::test

// SPDX-License-Identifier: Apache-2.0
#include "dp/base/suite.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace simplon {
namespace {

// What a peer's transform names is exactly one row, and the row writes what names it.
TEST(Rfc7296_3_3_5, EveryRowIsFoundByWhatItSends) {
  for (const Encr& e : kEncrs) EXPECT_EQ(find_encr(e.id, e.sent_key_bits()), &e) << e.name;
  for (const Integ& i : kIntegs) EXPECT_EQ(find_integ(i.id), &i) << i.name;
  for (const Integ& i : kAhGmacs) EXPECT_EQ(find_ah_integ(i.id), &i) << i.name;
}

// RFC 4543 §9: they are AH's; ESP and IKE do not have them.
TEST(Rfc4543_9, GmacIsAnIntegrityAlgorithmOfAhAlone) {
  for (const Integ& i : kAhGmacs) {
    EXPECT_EQ(find_integ(i.id), nullptr);
    EXPECT_EQ(find_integ(i.name), nullptr);
    const EspSuite suite = ah_suite(i);
    ASSERT_TRUE(suite.valid());
    EXPECT_EQ(suite.encr->name, i.name);
    EXPECT_EQ(suite.encr->id, EncrId::kNullAesGmac);
    EXPECT_EQ(suite.encr->key, i.key);
    EXPECT_EQ(suite.icv(), i.icv);
    EXPECT_EQ(suite.keymat(), i.key + 4u) << "the salt comes of KEYMAT (section 5)";
    EXPECT_EQ(ah_integ(suite), &i);
    EXPECT_EQ(suite_name(suite, IpsecProtocol::kAh), i.name);
  }
  EXPECT_EQ(static_cast<int>(IntegId::kAes128Gmac), 9);
  EXPECT_EQ(static_cast<int>(IntegId::kAes256Gmac), 11);
  EXPECT_EQ(*find_ah_suite("sha256"), (EspSuite{find_encr("null"), find_integ("sha256")}));
  EXPECT_EQ(ah_integ(*find_ah_suite("sha256")), find_integ("sha256"));
  EXPECT_FALSE(find_ah_suite("aes128gcm16"));
}

TEST(Rfc7296_3_3_5, AnAlgorithmOfSeveralKeyLengthsSendsThem) {
  for (const Encr& e : kEncrs) {
    const bool several = std::ranges::count(kEncrs, e.id, &Encr::id) > 1;
    EXPECT_TRUE(!several || e.length == KeyLength::kSent) << e.name;
  }
}

TEST(Rfc7296_3_3_5, AnAlgorithmOfOneKeyLengthSendsNone) {
  constexpr Encr kOne{"one", EncrId::kAesGcm16, KeyLength::kFixed, 32, 4, 8, 16, 4, "one", "ONE"};
  EXPECT_EQ(kOne.sent_key_bits(), 0u);
  EXPECT_EQ(kOne.key_bits(), 256u);
  EXPECT_EQ(find_encr(EncrId::kAesGcm16, 0), nullptr) << "AES without its Key Length";
}

TEST(Suite, NamesAreUniqueAndEveryColumnIsFilled) {
  for (const Encr& e : kEncrs) {
    EXPECT_EQ(find_encr(e.name), &e);
    EXPECT_FALSE(e.vici.empty()) << e.name;
    EXPECT_TRUE(e.key > 0 || e.id == EncrId::kNull) << e.name;
    EXPECT_TRUE(e.block > 0 && e.block % 4 == 0 && e.icv % 4 == 0) << e.name << ": RFC 4303 §2.4";
    EXPECT_TRUE(!e.aead() || e.counts()) << e.name;
    EXPECT_EQ(e.xfrm.empty(), e.iv_source() == IvSource::kImplicit) << e.name;
  }
  for (const Integ& i : kIntegs) {
    EXPECT_EQ(find_integ(i.name), &i);
    EXPECT_FALSE(i.xfrm.empty() || i.vici.empty()) << i.name;
    EXPECT_TRUE(i.icv > 0 && i.icv <= i.key) << i.name;
  }
}

}  // namespace
}  // namespace simplon

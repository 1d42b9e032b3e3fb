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

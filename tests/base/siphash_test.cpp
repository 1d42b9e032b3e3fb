// SPDX-License-Identifier: Apache-2.0
#include "dp/base/siphash.h"

#include <gtest/gtest.h>

namespace simplon {
namespace {

// The vectors of the authors, of inputs that are whole words: the octets 0, 1, 2, … under the key 0, 1,
// …, 15.
TEST(SipHash, HasThePublishedValues) {
  constexpr SipHash::Key kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  SipHash none(kKey), one(kKey);
  EXPECT_EQ(none.finish(), 0x726fdb47dd0e0e31u);
  one.add(0x0706050403020100);
  EXPECT_EQ(one.finish(), 0x93f5f5799a932462u);
}

TEST(SipHash, TheKeyDecides) {
  SipHash a({1, 2}), b({1, 3}), c({2, 2});
  for (SipHash* hash : {&a, &b, &c}) hash->add(7);
  const std::uint64_t first = a.finish();
  EXPECT_NE(first, b.finish());
  EXPECT_NE(first, c.finish());
}

}  // namespace
}  // namespace simplon

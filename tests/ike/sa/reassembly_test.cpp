// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/reassembly.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace simplon::ike::test {
namespace {

constexpr std::size_t kMost = 1000;

SkPayload fragment(std::uint16_t number, std::uint16_t total) {
  return {.body = kHeaderBytes + 8, .number = number, .total = total};
}

// Fragment `number`: ten octets, all of them that number, in a datagram of one octet.
auto add(Reassembly& to, std::uint32_t id, std::uint16_t number, std::uint16_t total,
         std::size_t octets = 10) {
  const auto octet = static_cast<std::uint8_t>(number);
  EXPECT_TRUE(to.wants(id, fragment(number, total)));
  return to.add(id, fragment(number, total), Buffer{octet},
                {.first = static_cast<std::uint8_t>(number == 1 ? 35 : 0), .chain = Buffer(octets, octet)},
                kMost);
}

TEST(Rfc7383_2_6, AMessageIsPutTogetherInWhateverOrderItComes) {
  std::vector<std::uint16_t> order{1, 2, 3};
  do {
    Reassembly parts;
    for (const int n : {0, 1}) {
      const auto waiting = add(parts, 1, order[static_cast<std::size_t>(n)], 3);
      ASSERT_TRUE(waiting && !*waiting);
    }
    const auto whole = add(parts, 1, order[2], 3);
    ASSERT_TRUE(whole && *whole);
    EXPECT_EQ((*whole)->inner.first, 35);
    EXPECT_EQ((*whole)->first_datagram, Buffer{1});
    Buffer want(30, 1);
    std::fill(want.begin() + 10, want.begin() + 20, std::uint8_t{2});
    std::fill(want.begin() + 20, want.end(), std::uint8_t{3});
    EXPECT_EQ((*whole)->inner.chain, want);
    EXPECT_EQ(parts.size(), 0u) << "nothing is kept";
  } while (std::ranges::next_permutation(order).found);
}

TEST(Rfc7383_2_6, OneFragmentIsAMessageAsWell) {
  Reassembly parts;
  const auto whole = add(parts, 1, 1, 1);
  ASSERT_TRUE(whole && *whole);
  EXPECT_EQ((*whole)->inner.chain, Buffer(10, 1));
}

TEST(Rfc7383_2_6, WhatIsHereOrOfASmallerTotalIsIgnored) {
  Reassembly parts;
  EXPECT_TRUE(parts.wants(1, fragment(2, 3)));
  (void)add(parts, 1, 2, 3);
  EXPECT_FALSE(parts.wants(1, fragment(2, 3))) << "a duplicate";
  EXPECT_FALSE(parts.wants(1, fragment(1, 2))) << "a smaller total";
  EXPECT_TRUE(parts.wants(1, fragment(1, 3)));
}

TEST(Rfc7383_2_6, ALargerTotalBeginsAnew) {
  Reassembly parts;
  (void)add(parts, 1, 1, 2);
  (void)add(parts, 1, 2, 3);
  EXPECT_EQ(parts.size(), 10u);
  EXPECT_FALSE(parts.wants(1, fragment(2, 2)));
  (void)add(parts, 1, 3, 3);
  const auto whole = add(parts, 1, 1, 3);
  ASSERT_TRUE(whole && *whole);
  EXPECT_EQ((*whole)->inner.chain.size(), 30u);
}

TEST(Rfc7383_2_6, AnotherMessageTakesThePlace) {
  Reassembly parts;
  (void)add(parts, 1, 1, 2);
  const auto waiting = add(parts, 2, 2, 2);
  ASSERT_TRUE(waiting && !*waiting) << "not put together of two messages";
  EXPECT_EQ(parts.size(), 10u);
  parts.clear();
  EXPECT_EQ(parts.size(), 0u);
}

TEST(Hostile, NeitherNumberNorSizeOfFragmentsIsForThePeerToChoose) {
  Reassembly parts;
  EXPECT_TRUE(parts.wants(1, fragment(1, kMostFragments)));
  EXPECT_FALSE(parts.wants(1, fragment(1, kMostFragments + 1)));
  EXPECT_FALSE(parts.wants(1, fragment(0xffff, 0xffff)));
  EXPECT_TRUE(add(parts, 1, 1, 3, kMost / 2));
  EXPECT_TRUE(add(parts, 1, 2, 3, kMost / 2)) << "as much as it may";
  EXPECT_FALSE(add(parts, 1, 3, 3, 1));
  EXPECT_EQ(parts.size(), 0u);
  EXPECT_FALSE(add(parts, 1, 3, 3, kMost + 1)) << "in one";
  EXPECT_TRUE(add(parts, 1, 1, 3)) << "and what comes then is as new";
}

}  // namespace
}  // namespace simplon::ike::test

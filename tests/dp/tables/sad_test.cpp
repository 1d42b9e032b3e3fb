// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/sad.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace simplon::dp {
namespace {

const IpAddress kUs4 = *IpAddress::parse("198.51.100.1"), kUs6 = *IpAddress::parse("2001:db8:ffff::1");

std::unique_ptr<InboundSa> make(std::uint32_t spi, const IpAddress& to = kUs4) {
  auto sa = std::make_unique<InboundSa>(64);
  sa->spi = Be32{spi};
  sa->key = address_key(to);
  return sa;
}

TEST(Rfc4301_4_1, SpiAndDestinationNameAnInboundSa) {
  Sad sad;
  std::unique_ptr<Sad::Table> retired;
  const auto a = make(256, kUs4), b = make(256, kUs6), c = make(257, kUs4), again = make(256, kUs4);
  for (InboundSa* sa : {a.get(), b.get(), c.get()}) ASSERT_TRUE(sad.add(sa, retired));
  EXPECT_EQ(sad.find(Be32{256}, kUs4), a.get());
  EXPECT_EQ(sad.find(Be32{256}, kUs6), b.get());
  EXPECT_EQ(sad.find(Be32{257}, kUs4), c.get());
  EXPECT_EQ(sad.find(Be32{257}, kUs6), nullptr);
  EXPECT_FALSE(sad.add(again.get(), retired)) << "the one that is there stays";
  EXPECT_EQ(sad.find(Be32{256}, kUs4), a.get());
  EXPECT_EQ(sad.remove(Be32{258}, kUs4), nullptr);
  EXPECT_EQ(sad.remove(Be32{256}, kUs4), a.get());
  EXPECT_EQ(sad.find(Be32{256}, kUs4), nullptr);
  EXPECT_EQ(sad.find(Be32{256}, kUs6), b.get()) << "the probe goes past the tombstone";
  EXPECT_EQ(sad.size(), 2u);
}

TEST(Sad, AgreesWithAMapWhileItGrowsAndShrinks) {
  std::mt19937 random(3);
  Sad sad(8);
  std::map<std::pair<std::uint32_t, IpAddress>, std::unique_ptr<InboundSa>> model;
  std::vector<std::unique_ptr<InboundSa>> gone;
  const auto key = [&](unsigned span) {
    return std::pair(256 + static_cast<std::uint32_t>(random() % span), random() % 2 ? kUs4 : kUs6);
  };
  for (int i = 0; i < 40000; ++i) {
    const unsigned span = i < 20000 ? 2000 : 50;  // then it falls to a few
    const auto at = key(span);
    std::unique_ptr<Sad::Table> retired;
    if (random() % 2) {
      auto sa = make(at.first, at.second);
      ASSERT_EQ(sad.add(sa.get(), retired), !model.contains(at));
      if (!model.contains(at)) model[at] = std::move(sa);
    } else {
      InboundSa* removed = sad.remove(Be32{at.first}, at.second);
      const auto found = model.find(at);
      ASSERT_EQ(removed, found == model.end() ? nullptr : found->second.get());
      if (found != model.end()) gone.push_back(std::move(found->second)), model.erase(found);
    }
    const auto asked = key(span);
    const auto found = model.find(asked);
    ASSERT_EQ(sad.find(Be32{asked.first}, asked.second),
              found == model.end() ? nullptr : found->second.get());
    ASSERT_EQ(sad.size(), model.size());
  }
}

// Rekeys for ever: as many come as go. The table must not grow, and its rebuilds must be rare.
TEST(Sad, ComingAndGoingDoesNotFillItWithTombstones) {
  Sad sad(64);
  unsigned rebuilt = 0;
  for (std::uint32_t spi = 256; spi < 256 + 10000; ++spi) {
    const auto sa = make(spi);
    std::unique_ptr<Sad::Table> retired;
    ASSERT_TRUE(sad.add(sa.get(), retired));
    rebuilt += retired != nullptr;
    if (retired) {
      ASSERT_EQ(retired->mask, 63u);
    }
    ASSERT_EQ(sad.remove(Be32{spi}, kUs4), sa.get());
  }
  EXPECT_LE(rebuilt, 10000u / 16);
}

// Peers take SPIs in sequence, at random, or count in a higher part: probes stay short for each. (A table
// that is less than half full, filled as Sad fills it.)
TEST(Sad, ProbesStayShortWhateverTheSpis) {
  std::mt19937 random(9);
  for (const unsigned shift : {0u, 8u, 15u, 32u}) {
    std::vector<bool> taken(32768);
    unsigned longest = 0;
    for (std::uint32_t i = 1; i <= 10000; ++i) {
      const auto spi = shift == 32 ? static_cast<std::uint32_t>(random()) : (255 + i) << shift;
      std::size_t at = Sad::hash(Be32{spi});
      unsigned steps = 0;
      for (; taken[at % taken.size()]; ++at) ++steps;
      taken[at % taken.size()] = true;
      longest = std::max(longest, steps);
    }
    EXPECT_LT(longest, 32u) << "shift " << shift;
  }
}

}  // namespace
}  // namespace simplon::dp

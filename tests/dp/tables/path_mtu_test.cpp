// SPDX-License-Identifier: Apache-2.0
// What routers say of a path: who is believed, how low it may go, how long it holds, and that the SA has it.
#include "dp/tables/path_mtu.h"

#include <gtest/gtest.h>

#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

using namespace std::chrono_literals;
using Now = PathMtus::Now;

const IpAddress kPeer = *IpAddress::parse("198.51.100.2"), kPeer6 = *IpAddress::parse("2001:db8:ffff::2");

TEST(Rfc1191_6_3, WhatWasLearnedHoldsForTenMinutes) {
  PathMtus paths;
  const Now begin{};
  EXPECT_EQ(paths.of(kPeer, begin), PathMtus::kUnknown);
  EXPECT_TRUE(paths.learn(kPeer, 1300, begin));
  EXPECT_FALSE(paths.learn(kPeer, 1400, begin)) << "larger than what is known";
  EXPECT_TRUE(paths.learn(kPeer, 1280, begin + 5min)) << "and smaller begins anew";
  EXPECT_EQ(paths.of(kPeer, begin + 14min), 1280);
  EXPECT_EQ(paths.of(kPeer6, begin), PathMtus::kUnknown);
  EXPECT_EQ(paths.of(kPeer, begin + 15min), PathMtus::kUnknown);
  EXPECT_TRUE(paths.empty());
}

TEST(Rfc1191_3, NothingIsBelievedThatIsBelowTheLeastOfTheFamily) {
  PathMtus paths;
  for (const std::uint16_t mtu : {0, 68, 575}) {
    paths.learn(kPeer, mtu, Now{});
    EXPECT_EQ(paths.of(kPeer, Now{}), 576);
    paths.learn(kPeer6, mtu, Now{});
    EXPECT_EQ(paths.of(kPeer6, Now{}), 1280);
  }
}

// A registry with two outbound SAs to one peer, one of which has sent something.
struct Peer {
  Peer() : lab(0, true) {
    now += 1s;
    lab.registry().tick(now);
    lab.protect(selectors("198.18.1.0/24", "198.18.2.0/24"));
    for (const std::uint64_t id : {1, 2}) {
      SaOptions o{.spi = Spi{static_cast<std::uint32_t>(0x1000 + id)},
                  .selectors = selectors("198.18.1.0/24", "198.18.2.0/24"),
                  .id = id};
      EXPECT_TRUE(lab.registry().add_sa(make_sa(Direction::kOut, o)));
    }
    for (int i = 0; i < 100; ++i)
      EXPECT_EQ(lab.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kProtected, kLan).size(), 1u);
  }
  unsigned mtu(std::uint64_t id) { return lab.registry().counters(SaId{id})->mtu; }
  void pass_second() {
    for (int i = 0; i < 101; ++i) lab.registry().tick(now += 10ms);
  }
  bool learn(std::uint32_t spi, const IpAddress& to, std::uint32_t sequence, std::uint16_t mtu) {
    return lab.registry().learn_path_mtu(Spi{spi}, to, sequence, mtu);
  }
  Now now{};
  Lab lab;
};

TEST(Rfc4301_8_2, ALiveSaIsBelievedAndTheOthersOfThePathFollow) {
  Peer p;
  EXPECT_EQ(p.mtu(1), 1500u);
  EXPECT_TRUE(p.learn(0x1002, kPeer, 100, 1400));
  EXPECT_EQ(p.mtu(2), 1400u);
  EXPECT_EQ(p.mtu(1), 1500u);
  p.pass_second();
  EXPECT_EQ(p.mtu(1), 1400u);
  SaOptions next{.spi = Spi{0x1003}, .selectors = selectors("198.18.1.0/24", "198.18.2.0/24"), .id = 3};
  ASSERT_TRUE(p.lab.registry().add_sa(make_sa(Direction::kOut, next)));
  EXPECT_EQ(p.mtu(3), 1400u) << "a rekey does not forget it";
  p.now += 10min;
  p.pass_second();
  EXPECT_EQ(p.mtu(1), 1500u) << "aged";
  EXPECT_EQ(p.mtu(2), 1500u);
}

TEST(Rfc4301_8_2, WhoIsNotOnThePathIsNotBelieved) {
  Peer p;
  EXPECT_FALSE(p.learn(0x1009, kPeer, 100, 1400)) << "no SA has this SPI";
  EXPECT_FALSE(p.learn(0x1002, kPeer6, 100, 1400)) << "nor with this destination";
  EXPECT_FALSE(p.learn(0x1002, kPeer, 101, 1400)) << "this number was not sent yet";
  EXPECT_FALSE(p.learn(0x1002, kPeer, 0x80000000, 1400));
  EXPECT_FALSE(p.learn(0x1002, kPeer, 100, 1500)) << "not less than it is";
  EXPECT_EQ(p.mtu(2), 1500u);
  EXPECT_TRUE(p.learn(0x1002, kPeer, 1, 60));
  EXPECT_EQ(p.mtu(2), 576u);
  p.lab.registry().remove_sa(SaId{2});
  EXPECT_FALSE(p.learn(0x1002, kPeer, 100, 576)) << "the SA has gone";
}

}  // namespace
}  // namespace simplon::dp::test

// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/log_limit.h"

#include <gtest/gtest.h>

namespace simplon::ike::test {
namespace {

using namespace std::chrono_literals;

IpAddress address(const std::string& text) { return *IpAddress::parse(text); }

TEST(LogLimit, OneHostsNoiseDoesNotHideAnothersReason) {
  LogLimit limit;
  Now now{1000s};
  EXPECT_EQ(limit.allow("auth", address("192.0.2.1"), now), 0u);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(limit.allow("auth", address("192.0.2.1"), now));
  EXPECT_EQ(limit.allow("auth", address("192.0.2.2"), now), 0u);
  EXPECT_EQ(limit.allow("proposal", address("192.0.2.1"), now), 0u) << "another kind";
  EXPECT_EQ(limit.allow("auth", address("192.0.2.1"), now + 1s), 100u);
  EXPECT_EQ(limit.allow("auth", address("192.0.2.1"), now + 2s), 0u);
}

TEST(LogLimit, AHostIsAWholeNetworkInIpv6) {
  LogLimit limit;
  Now now{1000s};
  EXPECT_TRUE(limit.allow("auth", address("2001:db8::1"), now));
  EXPECT_FALSE(limit.allow("auth", address("2001:db8::ffff:1"), now));
  EXPECT_TRUE(limit.allow("auth", address("2001:db8:0:1::1"), now));
}

TEST(Hostile, ForgedSourcesNeitherFillTheLogNorTheMemory) {
  LogLimit limit;
  unsigned lines = 0;
  for (unsigned i = 0; i < 100000; ++i) {
    const std::string host =
        "10." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) + "." + std::to_string(i & 255);
    lines += limit.allow("auth", address(host), Now{1000s} + std::chrono::milliseconds(i / 100)).has_value();
  }
  EXPECT_LE(lines, 40u);
}

}  // namespace
}  // namespace simplon::ike::test

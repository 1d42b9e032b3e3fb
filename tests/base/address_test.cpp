// SPDX-License-Identifier: Apache-2.0
#include "dp/base/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace simplon {
namespace {

TEST(Address, ParsesBothFamiliesAndRefusesTheRest) {
  EXPECT_EQ(IpAddress::parse("192.0.2.1")->text(), "192.0.2.1");
  EXPECT_EQ(IpAddress::parse("2001:db8::1")->text(), "2001:db8::1");
  for (const char* bad : {"", "192.0.2", "192.0.2.256", "192.0.2.1 ", "2001:db8:::1", "host"})
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
}

TEST(Prefix, RefusesHostBitsAndSaysWhatWasMeant) {
  EXPECT_EQ(Prefix::parse("192.0.2.0/24")->last().text(), "192.0.2.255");
  EXPECT_EQ(Prefix::parse("2001:db8::/32")->last().text(), "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
  EXPECT_THAT(Prefix::parse("192.0.2.1/24").error().what, testing::HasSubstr("192.0.2.0/24"));
  EXPECT_FALSE(Prefix::parse("192.0.2.0/33"));
  EXPECT_FALSE(Prefix::parse("192.0.2.0/"));
}

TEST(AddressRange, KnowsWhenItIsAPrefix) {
  EXPECT_EQ(AddressRange::parse("192.0.2.0-192.0.2.255")->text(), "192.0.2.0/24");
  EXPECT_EQ(AddressRange::parse("192.0.2.1-192.0.2.9")->text(), "192.0.2.1-192.0.2.9");
  EXPECT_EQ(AddressRange::parse("0.0.0.0/0")->text(), "0.0.0.0/0");
  EXPECT_FALSE(AddressRange::parse("192.0.2.9-192.0.2.1"));
}

}  // namespace
}  // namespace simplon

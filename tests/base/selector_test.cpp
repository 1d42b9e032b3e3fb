// SPDX-License-Identifier: Apache-2.0
#include "dp/base/selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace simplon {
namespace {

TrafficSelector ts(std::string_view text) { return *TrafficSelector::parse(text); }

TEST(TrafficSelector, TextRoundTrips) {
  for (const char* text :
       {"192.0.2.0/24", "192.0.2.0/24[tcp]", "192.0.2.1/32[tcp/443]", "2001:db8::/32[udp/1000-2000]"})
    EXPECT_EQ(ts(text).text(), text);
  for (const char* bad :
       {"192.0.2.0/24[tcp", "192.0.2.0/24[foo]", "192.0.2.0/24[any/80]", "192.0.2.0/24[tcp/9-1]"})
    EXPECT_FALSE(TrafficSelector::parse(bad)) << bad;
}

TEST(Rfc7296_2_9, NarrowingKeepsWhatBothSidesAllow) {
  EXPECT_EQ(text(narrow({ts("192.0.2.0/24")}, {ts("192.0.2.128/25[tcp]")})), "192.0.2.128/25[tcp]");
  EXPECT_TRUE(narrow({ts("192.0.2.0/24")}, {ts("198.51.100.0/24")}).empty());
  EXPECT_EQ(text(narrow({ts("192.0.2.7/32[icmp]"), ts("0.0.0.0/0")}, {ts("192.0.2.0/24")})), "192.0.2.0/24");
}

TEST(Rfc7296_3_13, NarrowedSelectorsFitIntoAPayload) {
  TrafficSelectors offered;
  for (int i = 0; i < 255; ++i) offered.push_back(ts("10.0." + std::to_string(i) + ".1"));
  EXPECT_EQ(narrow(offered, {ts("10.0.0.0/8")}).size(), 255U);
  EXPECT_EQ(narrow(offered, {ts("10.0.0.0/8[tcp]"), ts("10.0.0.0/8[udp]")}).size(), 255U) << "not 510";
}

}  // namespace
}  // namespace simplon

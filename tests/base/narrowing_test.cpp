// SPDX-License-Identifier: Apache-2.0
// What two sides' selectors have in common (RFC 7296 §2.9): it may be more selectors than either has, or
// fewer.
#include <gtest/gtest.h>

#include "dp/base/selector.h"

namespace simplon {
namespace {

TrafficSelectors all(std::initializer_list<const char*> texts) {
  TrafficSelectors out;
  for (const char* t : texts) out.push_back(*TrafficSelector::parse(t));
  return out;
}

TEST(Rfc7296_2_9, OneSelectorBecomesAsManyAsTheOtherSideHas) {
  const TrafficSelectors hosts = all({"2001:db8::1", "2001:db8::2"});
  EXPECT_EQ(narrow(all({"::/0"}), hosts), hosts);
  EXPECT_EQ(narrow(hosts, all({"::/0"})), hosts);
}

TEST(Rfc7296_2_9, WhatAnotherOneCoversIsLeftOut) {
  const TrafficSelectors offered = all({"2001:db8::1/128[tcp/22]", "2001:db8::1/128[tcp]", "2001:db8::1/128",
                                        "2001:db8::/64", "2001:db8::/64"});
  EXPECT_EQ(narrow(offered, all({"::/0"})), all({"2001:db8::/64"}));
  EXPECT_EQ(narrow(all({"::/0"}), offered), all({"2001:db8::/64"}));
}

// A server of L2TP takes any port of its clients; of two ports one side each is particular.
TEST(Rfc7296_2_9, PortsAreNarrowedOnEitherSide) {
  EXPECT_EQ(narrow(all({"198.18.1.1[udp/1701]"}), all({"198.18.1.0/24[udp]"})),
            all({"198.18.1.1/32[udp/1701]"}));
  EXPECT_EQ(narrow(all({"198.18.2.0/24[udp]"}), all({"198.18.0.0/16[udp/5555]"})),
            all({"198.18.2.0/24[udp/5555]"}));
  EXPECT_TRUE(narrow(all({"198.18.1.1[udp/1701]"}), all({"198.18.1.1[udp/5555]"})).empty());
  EXPECT_TRUE(narrow(all({"198.18.1.1[tcp/1701]"}), all({"198.18.1.1[udp]"})).empty());
}

}  // namespace
}  // namespace simplon

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

TEST(Rfc4301_4_4_1_1, TypesOfIcmpAndTheMobilityHeaderHaveNames) {
  const auto ports = [](std::string_view text) {
    return ts("192.0.2.0/24[" + std::string(text) + "]").ports;
  };
  EXPECT_EQ(ports("icmp/echo-request"), (PortRange{0x0800, 0x08ff})) << "every code";
  EXPECT_EQ(ports("icmp/destination-unreachable(4)"), (PortRange{0x0304, 0x0304}));
  EXPECT_EQ(ports("icmp/3(4)"), (PortRange{0x0304, 0x0304}));
  EXPECT_EQ(ports("icmp/3(1)-3(4)"), (PortRange{0x0301, 0x0304}));
  EXPECT_EQ(ports("icmp/echo-request-router-solicitation"), (PortRange{0x0800, 0x0aff}))
      << "dashes both ways";
  EXPECT_EQ(ports("icmp/2048"), (PortRange{0x0800, 0x0800})) << "type and code in one number";
  EXPECT_EQ(ports("icmpv6/echo-request"), (PortRange{0x8000, 0x80ff}));
  EXPECT_EQ(ports("mh/binding-update"), (PortRange{0x0500, 0x05ff}));
  for (const char* text :
       {"icmp/echo-request", "icmp/destination-unreachable(4)", "icmp/200(7)", "mh/home-test",
        "icmpv6/destination-unreachable(0)-packet-too-big(255)", "icmp/77(0)-77(255)"}) {
    const std::string whole = "192.0.2.0/24[" + std::string(text) + "]";
    EXPECT_EQ(ts(whole).text(), whole);
  }
  for (const char* bad :
       {"tcp/echo-request", "icmp/packet-too-big", "icmp/256(0)", "icmp/8(256)", "icmp/8(0", "icmp/8()",
        "icmp/redirect-echo-reply", "icmp/", "icmp/-", "icmp/echo", "icmp/echo-request("})
    EXPECT_FALSE(TrafficSelector::parse("192.0.2.0/24[" + std::string(bad) + "]")) << bad;
}

TEST(Rfc4301_4_4_1_1, OpaqueIsPartOfAnyAndOfNoOther) {
  const TrafficSelector any = ts("192.0.2.0/24[tcp]"), opaque = ts("192.0.2.0/24[tcp/opaque]"),
                        some = ts("192.0.2.0/24[tcp/443]"), most = ts("192.0.2.0/24[tcp/1-65535]");
  EXPECT_EQ(opaque.ports, (PortRange{65535, 0}));
  EXPECT_EQ(opaque.text(), "192.0.2.0/24[tcp/opaque]");
  EXPECT_TRUE(any.contains(opaque) && opaque.contains(opaque));
  for (const TrafficSelector& other : {some, most}) {
    EXPECT_FALSE(other.contains(opaque) || opaque.contains(other));
    EXPECT_FALSE(other.intersect(opaque) || opaque.intersect(other));
  }
  EXPECT_FALSE(opaque.contains(any));
  EXPECT_EQ(any.intersect(opaque), opaque);
  EXPECT_EQ(opaque.intersect(any), opaque);
  EXPECT_EQ(some.intersect(most), some);
  EXPECT_EQ(narrow({opaque, some}, {any}), (TrafficSelectors{opaque, some}));
}

TEST(Rfc4301_4_4_1_1, ProtocolWithoutPortsHasNone) {
  for (const char* bad :
       {"192.0.2.0/24[47/5]", "192.0.2.0/24[esp/1]", "192.0.2.0/24[50/0]", "0.0.0.0/0[any/opaque]"})
    EXPECT_FALSE(TrafficSelector::parse(bad)) << bad;
  EXPECT_TRUE(TrafficSelector::parse("192.0.2.0/24[47/opaque]"));
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

Selectors sets(std::initializer_list<std::pair<const char*, const char*>> pairs) {
  std::vector<SelectorSet> out;
  for (const auto& [local, remote] : pairs)
    out.push_back({{*TrafficSelector::parse(local)}, {*TrafficSelector::parse(remote)}});
  return Selectors::of(std::move(out));
}

TEST(Rfc4301_4_4_1_2, ASetOfSelectorsStandsOnItsOwn) {
  const Selectors two =
      sets({{"198.18.1.0/24", "192.0.2.0/24"}, {"198.18.2.0/24[tcp]", "203.0.113.0/24[tcp/443]"}});
  EXPECT_EQ(two.text(), "198.18.1.0/24 === 192.0.2.0/24, 198.18.2.0/24[tcp] === 203.0.113.0/24[tcp/443]");
  EXPECT_EQ(Selectors::of(two.sets()), two);
  EXPECT_TRUE(covers(two, sets({{"198.18.1.7", "192.0.2.0/25"}})));
  EXPECT_TRUE(covers(two, two));
  EXPECT_FALSE(covers(two, sets({{"198.18.1.0/24", "203.0.113.0/24[tcp/443]"}}))) << "of two sets";
  EXPECT_FALSE(covers(sets({{"198.18.1.0/24", "192.0.2.0/24"}}), two));
  EXPECT_TRUE(overlap(two, sets({{"198.18.0.0/16", "203.0.113.0/28"}})));
  EXPECT_FALSE(overlap(two, sets({{"198.18.1.0/24", "203.0.113.0/28"}})));
}

TEST(Rfc4301_4_4_1_2, SetsInAnotherOrderAreTheSame) {
  const Selectors a = sets({{"198.18.1.0/24", "192.0.2.0/24"}, {"198.18.2.0/24", "203.0.113.0/24"}});
  const Selectors b = sets({{"198.18.2.0/24", "203.0.113.0/24"}, {"198.18.1.0/24", "192.0.2.0/24"}});
  EXPECT_NE(a, b);
  EXPECT_EQ(in_order(a), in_order(b));
}

}  // namespace
}  // namespace simplon

// SPDX-License-Identifier: Apache-2.0
// The configuration payload: what is written is read again, and what is malformed is said to be.
#include "ike/message/configuration.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

using Type = CfgAttributeType;

std::optional<Configuration> parse(std::string_view text) { return parse_configuration(hex(text)); }
IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }
Prefix net(std::string_view text) { return *Prefix::parse(text); }

}  // namespace

TEST(Rfc7296_3_15, ARequestIsReadAsItStandsThere) {
  // An address, a server and an IPv6 address are asked for; of the last one the wish is named.
  const auto c = parse("01000000 00010000 00030000 00080011 20010db8000000000000000000000005 40");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->type, CfgType::kRequest);
  ASSERT_EQ(c->attributes.size(), 3U);
  EXPECT_EQ(c->attributes[0], CfgAttribute::empty(Type::kInternalIp4Address));
  EXPECT_FALSE(c->attributes[0].as_address());
  EXPECT_TRUE(c->has(Type::kInternalIp4Dns));
  EXPECT_FALSE(c->has(Type::kInternalIp6Dns));
  EXPECT_EQ(c->find(Type::kInternalIp6Address)->as_address(), ip("2001:db8::5"));
}

TEST(Rfc7296_3_15, AReplyIsReadAsItWasWritten) {
  const Configuration reply{
      CfgType::kReply,
      {CfgAttribute::address(ip("198.18.64.5")), CfgAttribute::address(ip("2001:db8:9::5")),
       CfgAttribute::dns(ip("198.18.0.1")), CfgAttribute::dns(ip("2001:db8::1")),
       CfgAttribute::subnet(net("198.18.0.0/16")), CfgAttribute::subnet(net("2001:db8::/32")),
       CfgAttribute::domain("corp.example")}};
  const auto again = parse_configuration(configuration_body(reply));
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, reply);
  const auto& a = again->attributes;
  EXPECT_EQ(a[0].as_address(), ip("198.18.64.5"));
  EXPECT_EQ(a[1].value.size(), 17U);
  EXPECT_EQ(a[1].as_address(), ip("2001:db8:9::5"));
  EXPECT_EQ(a[3].as_address(), ip("2001:db8::1"));
  EXPECT_EQ(a[4].value, hex("c6120000 ffff0000"));
  EXPECT_EQ(a[4].as_subnet(), net("198.18.0.0/16"));
  EXPECT_EQ(a[5].as_subnet(), net("2001:db8::/32"));
  EXPECT_EQ(a[6].as_domain(), "corp.example");
  EXPECT_FALSE(a[6].as_address());
  EXPECT_FALSE(a[4].as_address());
  EXPECT_FALSE(a[0].as_subnet());
}

TEST(Rfc7296_3_15_1, TheReservedBitIsIgnored) {
  EXPECT_EQ(parse("01000000 80010000"), parse("01000000 00010000"));
  EXPECT_TRUE(parse("01ffffff 80010000")->has(Type::kInternalIp4Address));
}

TEST(Rfc7296_3_15_1, WhatIsNotKnownIsKeptAndDoesNoHarm) {
  const auto c = parse("09000000 70000003 010203 00010004 c6124005");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->type, CfgType{9});
  EXPECT_EQ(c->attributes[0], (CfgAttribute{Type{0x7000}, hex("010203")}));
  EXPECT_FALSE(c->attributes[0].as_address());
  EXPECT_EQ(c->attributes[1].as_address(), ip("198.18.64.5"));
}

TEST(Rfc7296_3_15_1, AnAddressOfOldPeersHasNoPrefix) {
  const auto c = parse("01000000 00080010 20010db8000000000000000000000005");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->attributes[0].as_address(), ip("2001:db8::5"));
}

TEST(Rfc7296_3_15_1, HostBitsOfASubnetAreCleared) {
  EXPECT_EQ(parse("02000000 000d0008 c6120107 ffffff00")->attributes[0].as_subnet(), net("198.18.1.0/24"));
  EXPECT_EQ(parse("02000000 000f0011 20010db8000000000000000000000005 20")->attributes[0].as_subnet(),
            net("2001:db8::/32"));
  // No prefix, so it says nothing.
  EXPECT_FALSE(parse("02000000 000d0008 c6120107 ff00ff00")->attributes[0].as_subnet());
}

TEST(Rfc7296_3_15_1, WhatHasAnotherLengthIsMalformed) {
  EXPECT_TRUE(parse("01000000"));
  EXPECT_TRUE(parse("01000000 00010004 c6124005"));
  for (const char* text :
       {"", "010000", "01000000 0001", "01000000 000100", "01000000 00010004 c61240",
        "01000000 00010005 c612400500", "01000000 00020003 ffffff",
        "01000000 00030010 20010db8000000000000000000000005",
        "01000000 0008000f 20010db80000000000000000000000",
        "01000000 00080011 20010db8000000000000000000000005 81",
        "01000000 000a0011 20010db8000000000000000000000005 40", "01000000 000d0004 c6120000",
        "01000000 000f0010 20010db8000000000000000000000005", "01000000 000e0003 000100"})
    EXPECT_FALSE(parse(text)) << text;
}

TEST(Rfc7296_3_15, ThereIsAnEndToAttributes) {
  const auto of = [](std::size_t count) {
    return configuration_body(
        {CfgType::kRequest, std::vector(count, CfgAttribute::empty(Type::kInternalIp4Dns))});
  };
  EXPECT_TRUE(parse_configuration(of(256)));
  EXPECT_FALSE(parse_configuration(of(257)));
}

TEST(Rfc8598_4_1, ADomainIsANameInAscii) {
  const auto domain = [](std::string_view name) { return CfgAttribute::domain(name).as_domain(); };
  EXPECT_EQ(domain("Corp.Example"), "corp.example");
  EXPECT_EQ(domain("corp.example."), "corp.example");
  EXPECT_EQ(domain("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(domain("_tcp.example"), "_tcp.example");
  std::string whole_label(63, 'a');
  whole_label.append(".example");
  EXPECT_TRUE(domain(whole_label));
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".example"), std::string("a..b"), std::string("-a.b"),
        std::string("a-.b"), std::string("a b"), std::string("b\xc3\xbc"), std::string("a\0", 2),
        std::string("a\n.b"), std::string(64, 'a')})
    EXPECT_FALSE(domain(name)) << name;
  std::string longest;
  for (int i = 0; i < 126; ++i) longest += "a.";
  EXPECT_TRUE(domain(longest + "a"));
  EXPECT_FALSE(domain(longest + "aa"));
}

}  // namespace simplon::ike::test

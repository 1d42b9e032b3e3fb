// SPDX-License-Identifier: Apache-2.0
// Identities in text and as payload contents (RFC 7296 §3.5), and the seeded generator.
#include "ike/message/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/provider.h>

#include <csignal>

#include "ike/crypto/entropy.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {

TEST(Rfc7296_3_5, KindsOfIdentities) {
  const auto expect = [](std::string_view text, IdType type, const Buffer& data) {
    const auto id = Identity::parse(text);
    ASSERT_TRUE(id.has_value()) << text;
    EXPECT_EQ(id->type, type) << text;
    EXPECT_EQ(id->data, data) << text;
  };
  expect("192.0.2.1", IdType::kIpv4, hex("c0000201"));
  expect("2001:db8::1", IdType::kIpv6, hex("20010db8 00000000 00000000 00000001"));
  expect("gw.example", IdType::kFqdn, copy_of(bytes_of("gw.example")));
  expect("@gw.example", IdType::kFqdn, copy_of(bytes_of("gw.example")));
  expect("a@gw.example", IdType::kEmail, copy_of(bytes_of("a@gw.example")));
  expect("@#c0FFee", IdType::kKeyId, hex("c0ffee"));
}

TEST(Rfc7296_3_5, TextIsReadAgain) {
  for (const char* text : {"192.0.2.1", "2001:db8::1", "gw.example", "a@gw.example", "@#c0ffee", "%any"}) {
    const auto id = Identity::parse(text);
    ASSERT_TRUE(id.has_value()) << text;
    EXPECT_EQ(id->text(), text);
  }
}

TEST(Rfc7296_3_5, WhatIsNoIdentity) {
  for (const char* text : {"", "@", "@#", "@#abc", "@#zz", "two words", "tab\there"})
    EXPECT_FALSE(Identity::parse(text)) << text;
}

TEST(Rfc7296_3_5, WhatOthersHaveAndWeHaveNotIsSaid) {
  const auto why = [](const char* text) {
    const auto id = Identity::parse(text);
    return id ? "taken as " + id->text() : id.error().what;
  };
  for (const char* text : {"*.example", "*@gw.example", "*", "g*.example", "CN=*", "C=CH, CN=*"})
    EXPECT_THAT(why(text), testing::HasSubstr("a pattern is for the peer's identity only")) << text;
  for (const char* text : {"XY=CH", "cn-gw=1", "@CN=gw", "/CN=gw"})
    EXPECT_THAT(why(text), testing::HasSubstr("no attribute of a distinguished name")) << text;
  EXPECT_THAT(why("CN=gw, XY=a"), testing::HasSubstr("'XY' is no attribute of a distinguished name"));
  for (const char* text : {"%any6", "fe80::1%wan"})
    EXPECT_THAT(why(text), testing::HasSubstr("only %any has a per cent sign")) << text;
  EXPECT_THAT(why("192.0.2.0/24"), testing::HasSubstr("a network is no identity"));
  for (const char* text : {"fqdn:gw.example", "2001:db8::zz", "dn:CN=gw"})
    EXPECT_THAT(why(text), testing::HasSubstr("neither an IPv6 address nor a name")) << text;
}

TEST(Rfc7296_3_5, DistinguishedNames) {
  const auto id = Identity::parse("c=CH,  O=Example AG, CN=gw.example");
  ASSERT_TRUE(id.has_value()) << id.error().what;
  EXPECT_EQ(id->type, IdType::kDn);
  EXPECT_EQ(id->data,
            hex("3037310b300906035504061302434831133011060355040a0c0a4578616d706c652041473113301106035504"
                "030c0a67772e6578616d706c65"));
  EXPECT_EQ(id->text(), "C=CH, O=Example AG, CN=gw.example");
  EXPECT_FALSE(id->is_pattern());
  const Identity same = *Identity::parse("C=ch, O=EXAMPLE AG, CN=gw.example"),
                 other = *Identity::parse("C=CH, O=Example AG, CN=gw2.example");
  EXPECT_EQ(*id, same);
  EXPECT_EQ(id->key(), same.key());
  EXPECT_NE(*id, other);
  EXPECT_NE(id->key(), other.key());
  EXPECT_NE(*id, (Identity{.type = IdType::kKeyId, .data = id->data}));
  EXPECT_EQ(Identity::parse("E=a@gw.example")->type, IdType::kDn);
  EXPECT_EQ(Identity::parse("2.5.4.3=gw")->text(), "CN=gw");
}

TEST(Rfc7296_3_5, AnyMatchesAllAndOthersOnlyThemselves) {
  const Identity any = *Identity::parse("%any"), a = *Identity::parse("a.example"),
                 b = *Identity::parse("b.example");
  EXPECT_TRUE(any.matches(a) && a.matches(a));
  EXPECT_FALSE(a.matches(b) || a.matches(any));
  EXPECT_FALSE(a.matches({.type = IdType::kEmail, .data = a.data})) << "the same bytes of another kind";
}

Identity pattern(std::string_view text) {
  const auto id = Identity::parse_pattern(text);
  EXPECT_TRUE(id.has_value()) << text << ": " << id.error().what;
  return id.value_or(Identity{.type = IdType::kKeyId, .data = {0}});
}
// As a peer sends it: whatever stands there.
Identity sent(IdType type, std::string_view octets) {
  return {.type = type, .data = copy_of(bytes_of(octets))};
}

TEST(IdentityPattern, AStarForTheFirstLabels) {
  const Identity any = pattern("*.Example.org");
  EXPECT_TRUE(any.is_pattern());
  EXPECT_EQ(any.text(), "*.Example.org");
  for (const char* name : {"gw.example.org", "GW.EXAMPLE.ORG", "a.b-c.d_e.example.org"})
    EXPECT_TRUE(any.matches(sent(IdType::kFqdn, name))) << name;
  for (const char* name :
       {"example.org", ".example.org", "gwexample.org", "gw.example.com", "gw.example.org.", "a..example.org",
        "..example.org", ".a.example.org", "a..b.example.org", "org", "", "a@b.example.org",
        "a b.example.org", "a\n.example.org", "a\xff.example.org"})
    EXPECT_FALSE(any.matches(sent(IdType::kFqdn, name))) << name;
  EXPECT_FALSE(any.matches(sent(IdType::kFqdn, std::string_view("a\0.example.org", 14))));
  EXPECT_FALSE(any.matches(sent(IdType::kEmail, "gw.example.org"))) << "another kind";
  EXPECT_EQ(pattern("@*.example.org"), any);
}

TEST(IdentityPattern, AStarForTheUser) {
  const Identity any = pattern("*@example.org");
  EXPECT_EQ(any.type, IdType::kEmail);
  EXPECT_EQ(any.text(), "*@example.org");
  for (const char* name : {"a@example.org", "A.B+c@EXAMPLE.org"})
    EXPECT_TRUE(any.matches(sent(IdType::kEmail, name))) << name;
  for (const char* name :
       {"@example.org", "a@gw.example.org", "a@b@example.org", "a@example.or", "aexample.org"})
    EXPECT_FALSE(any.matches(sent(IdType::kEmail, name))) << name;
  EXPECT_FALSE(any.matches(sent(IdType::kFqdn, "a@example.org"))) << "another kind";
}

TEST(IdentityPattern, AStarForAValueOfADistinguishedName) {
  const Identity any = pattern("C=CH, O=Example, CN=*");
  EXPECT_TRUE(any.is_pattern());
  EXPECT_EQ(any.text(), "C=CH, O=Example, CN=*");
  EXPECT_TRUE(any.matches(*Identity::parse("C=CH, O=example, CN=gw")));
  EXPECT_FALSE(any.matches(*Identity::parse("C=CH, O=Other, CN=gw")));
  EXPECT_FALSE(
      any.matches({.type = IdType::kKeyId, .data = Identity::parse("C=CH, O=example, CN=gw")->data}));
  EXPECT_FALSE(any.matches(any)) << "a peer that sends the pattern itself";
}

TEST(IdentityPattern, WhatParseTakesIsNone) {
  for (const char* text : {"192.0.2.1", "2001:db8::1", "gw.example", "a@gw.example", "@#2a2e61", "%any",
                           "CN=gw", "CN=\\*", "CN=\\*.example"}) {
    const Identity id = pattern(text);
    EXPECT_FALSE(id.is_pattern()) << text;
    EXPECT_EQ(id, *Identity::parse(text));
    EXPECT_TRUE(id.matches(id));
  }
}

TEST(IdentityPattern, AStarElsewhereIsRefused) {
  for (const char* text :
       {"*",       "*.",      "*@",        "**",     "*.*",         "*.*.org",       "g*.org", "gw.*",
        "*gw.org", "*..org",  "*.@org",    "*.a@b",  "*@a@b",       "*@@b",          "a@*",    "a@*.org",
        "@*@org",  "@@*.org", "*.%any",    "*@%any", "*.192.0.2.1", "*.2001:db8::1", "*.CN=a", "*.a b",
        "*. a",    "@#*",     "192.0.2.*", "*/24"}) {
    const auto id = Identity::parse_pattern(text);
    EXPECT_FALSE(id.has_value()) << text << " is taken as " << id->text();
  }
  for (const char* text : {"g*.org", "*", "*.a@b"})
    EXPECT_THAT(Identity::parse_pattern(text).error().what, testing::HasSubstr("a star stands for")) << text;
  EXPECT_THAT(Identity::parse_pattern("CN=gw*").error().what, testing::HasSubstr("a star is a whole value"));
}

// Only our configuration has patterns.
TEST(Hostile, APatternThatThePeerSendsIsAName) {
  const Identity any = pattern("*.example.org"), user = pattern("*@example.org"),
                 gw = *Identity::parse("gw.example.org");
  for (const char* name : {"*.example.org", "*.gw.example.org", "a*.example.org", "a.*.example.org"}) {
    EXPECT_FALSE(any.matches(sent(IdType::kFqdn, name))) << name;
    EXPECT_FALSE(gw.matches(sent(IdType::kFqdn, name))) << name;
  }
  EXPECT_FALSE(user.matches(sent(IdType::kEmail, "*@example.org")));
  EXPECT_TRUE(pattern("%any").matches(sent(IdType::kFqdn, "*.example.org")));
}

// What a peer sends goes into the log: no byte of it may steer a terminal or make a line of its own.
TEST(Hostile, IdentityTextIsPrintable) {
  Buffer all;
  for (unsigned i = 0; i < 256; ++i) all.push_back(static_cast<std::uint8_t>(i));
  for (unsigned type = 0; type < 256; ++type)
    for (const char c : Identity{.type = IdType{static_cast<std::uint8_t>(type)}, .data = all}.text())
      ASSERT_TRUE(c >= 0x20 && c < 0x7f) << "type " << type << ", byte " << int{c};
}

TEST(Hostile, AnIdentityOf64KilobytesIsAShortText) {
  for (const IdType type : {IdType::kFqdn, IdType::kDn, IdType::kKeyId}) {
    const std::string text = Identity{.type = type, .data = Buffer(60000, 1)}.text();
    EXPECT_LT(text.size(), 1100U);
    EXPECT_TRUE(text.ends_with("..."));
  }
}

TEST(Entropy, OneSeedOneStream) {
  const Secret seed(Buffer(32, 1)), other(Buffer(32, 2));
  Entropy a(seed), b(seed), c(other);
  const Buffer first = a.bytes(64);
  EXPECT_EQ(first, b.bytes(64));
  EXPECT_NE(first, c.bytes(64));
  EXPECT_NE(first, a.bytes(64)) << "it goes on";
  EXPECT_TRUE(a.bytes(0).empty());
}

// The blocks 0 and 1 under a key of zeros.
TEST(Entropy, IsAesInCounterMode) {
  EXPECT_EQ(Entropy(Secret(Buffer(32))).bytes(32),
            hex("dc95c078a2408989ad48a21492842087 530f8afbc74536b9a963b4f1c4cb738b"));
}

// A provider of our own choice keeps OpenSSL from loading the one that has the algorithms.
TEST(OpenSslFailsDeathTest, NoZerosInPlaceOfRandomBytes) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto without_algorithms = [] {
    OSSL_PROVIDER_load(nullptr, "null");
    (void)Entropy(Secret(Buffer(32, 1))).bytes(16);
  };
  EXPECT_EXIT(without_algorithms(), testing::KilledBySignal(SIGABRT), "");
}

TEST(Entropy, ForgetsItsKeyAfterEveryAnswer) {
  for (const std::size_t n : {0u, 5u, 32u, 64u}) {
    Entropy e(Secret(Buffer(32))), stream(Secret(Buffer(32)));
    const Buffer all = stream.bytes(n + 32);
    EXPECT_EQ(e.bytes(n), Buffer(all.begin(), all.begin() + static_cast<long>(n)));
    EXPECT_EQ(e.bytes(32), Entropy(Secret(Bytes(all).last(32))).bytes(32));
  }
}

TEST(Rfc4343, NamesDoNotDifferByCase) {
  const auto id = [](const char* text) { return *Identity::parse(text); };
  EXPECT_TRUE(id("gate.Example.ORG").matches(id("Gate.example.org")));
  EXPECT_TRUE(id("Moon@example.org").matches(id("moon@EXAMPLE.org")));
  EXPECT_FALSE(id("gate.example.org").matches(id("gate.example.or")));
  EXPECT_FALSE(id("@#4142").matches(id("@#6162"))) << "a key id is octets";
}

TEST(IdentityKey, IsTheSameForEqualOnesAlone) {
  const auto key = [](const char* text) { return Identity::parse(text)->key(); };
  EXPECT_EQ(key("Gate.example.ORG"), key("gate.EXAMPLE.org"));
  EXPECT_EQ(key("CN=a  B"), key("cn=A b"));
  EXPECT_NE(key("@#4142"), key("@#6162"));
  EXPECT_NE(key("192.0.2.65"), key("192.0.2.97")) << "octets that are letters";
  EXPECT_NE(key("CN=a"), key("O=a"));
}

TEST(Entropy, BelowStaysBelow) {
  Entropy e(Secret(Buffer(32, 3)));
  for (int i = 0; i < 1000; ++i) ASSERT_LT(e.below(7), 7U);
  EXPECT_EQ(e.below(0), 0U);
}

}  // namespace simplon::ike::test

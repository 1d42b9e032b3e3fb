// SPDX-License-Identifier: Apache-2.0
// Distinguished names: text to DER and back (RFC 4514), comparison (RFC 5280 §7.1), patterns, hostile octets.
#include "ike/message/distinguished_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

// A value by its octets.
std::string raw(const std::string& digits) { return "CN=#" + digits; }

// Subjects as "openssl req" writes them.
const Buffer kPlain =  // /C=CH/O=Example AG/CN=gw.example
    hex("3037310b300906035504061302434831133011060355040a0c0a4578616d706c652041473113301106035504030c0a67772e"
        "6578"
        "616d706c65");
const Buffer kMany =  // -multivalue-rdn /C=CH/O=Zürich \/
                      // Genève/OU=a+UID=b/CN=gw/emailAddress=a@example.org/DC=example
    hex("30818a310b3009060355040613024348311a3018060355040a0c115ac3bc72696368202f2047656ec3a87665311b30080603"
        "55040b"
        "0c0161300f060a0992268993f22c6401010c0162310b300906035504030c026777311c301a06092a864886f70d010901160d"
        "614065"
        "78616d706c652e6f726731173015060a0992268993f22c64011916076578616d706c65");
const Buffer kPerson =  // /serialNumber=12/SN=Muster/GN=Max/title=Dr/initials=M/street=Weg 1/L=Bern/ST=BE/...
    hex("308197310b3009060355040513023132310f300d06035504040c064d7573746572310c300a060355042a0c034d6178310b30"
        "09060355"
        "040c0c024472310a3008060355042b0c014d310e300c06035504090c055765672031310d300b06035504070c044265726e31"
        "0b3009"
        "06035504080c024245310a3008060355042e130137310c300a060355042c0c03494949310a300806035504030c012a");
const Buffer kBmp =  // with string_mask = pkix: /O=Zürich/CN=Łódź, each a BMPString
    hex("302a31153013060355040a1e0c005a00fc00720069006300683111300f06035504031e08014100f30064017a");

Buffer name(std::string_view text) {
  const auto der = parse_distinguished_name(text);
  EXPECT_TRUE(der.has_value()) << text << ": " << der.error().what;
  return der.value_or(Buffer{});
}
std::string why_not(std::string_view text) {
  const auto der = parse_distinguished_name(text);
  return der ? "taken as " + distinguished_name_text(*der) : der.error().what;
}
bool fits(std::string_view pattern, std::string_view text) {
  return fits_name_pattern(name(pattern), name(text));
}
bool same(std::string_view a, std::string_view b) { return same_distinguished_name(name(a), name(b)); }

// One value: its tag, its length in one octet, its contents.
Buffer value(std::uint8_t tag, const Buffer& contents) {
  Buffer out{tag, static_cast<std::uint8_t>(contents.size())};
  out.insert(out.end(), contents.begin(), contents.end());
  return out;
}
// CN, whose value is this one.
Buffer common_name(const Buffer& v) {
  Buffer pair = hex("0603550403");
  pair.insert(pair.end(), v.begin(), v.end());
  return value(0x30, value(0x31, value(0x30, pair)));
}

}  // namespace

TEST(Rfc4514, TextGivesTheOctetsOfACertificate) {
  EXPECT_EQ(name("C=CH, O=Example AG, CN=gw.example"), kPlain);
  EXPECT_EQ(name("C=CH,O=Zürich / Genève,OU=a+UID=b,CN=gw,E=a@example.org,DC=example"), kMany);
  EXPECT_EQ(name("serialNumber=12, SN=Muster, GN=Max, title=Dr, initials=M, street=Weg 1, L=Bern, ST=BE, "
                 "dnQualifier=7, generation=III, CN=\\*"),
            kPerson);
}

TEST(Rfc4514, TextIsReadAgain) {
  EXPECT_EQ(distinguished_name_text(kPlain), "C=CH, O=Example AG, CN=gw.example");
  EXPECT_EQ(distinguished_name_text(kMany),
            "C=CH, O=Z\\C3\\BCrich / Gen\\C3\\A8ve, OU=a+UID=b, CN=gw, E=a@example.org, DC=example");
  EXPECT_THAT(distinguished_name_text(kPerson), testing::EndsWith("generation=III, CN=\\*"));
  EXPECT_EQ(distinguished_name_text(kBmp), "O=Z\\C3\\BCrich, CN=\\C5\\81\\C3\\B3d\\C5\\BA");
  for (const Buffer& der : {kPlain, kMany, kPerson}) EXPECT_EQ(name(distinguished_name_text(der)), der);
  EXPECT_TRUE(same_distinguished_name(name(distinguished_name_text(kBmp)), kBmp)) << "of another string type";
}

TEST(Rfc4514, WhatMustBeQuoted) {
  const Buffer tricky = common_name(value(0x0c, copy_of(bytes_of(" #a,b+c\"d\\e;f<g>h=i\n* "))));
  EXPECT_EQ(distinguished_name_text(tricky), "CN=\\ #a\\,b\\+c\\\"d\\\\e\\;f\\<g\\>h=i\\0A\\*\\ ");
  EXPECT_EQ(name(distinguished_name_text(tricky)), tricky);
  EXPECT_EQ(name("CN=\\#1"), common_name(value(0x0c, copy_of(bytes_of("#1")))));
  EXPECT_EQ(distinguished_name_text(name("CN=\\#1")), "CN=\\#1");
  EXPECT_EQ(name("  CN =  \"a, b+c;\\\"*\" "), common_name(value(0x0c, copy_of(bytes_of("a, b+c;\"*")))));
  EXPECT_EQ(name("CN=  a  b  "), name("cn=a  b")) << "spaces at the ends are not of the value";
  EXPECT_NE(name("CN=a\\ "), name("CN=a"));
  EXPECT_EQ(name("CN=\\c3\\bC"), name("CN=ü"));
}

TEST(Rfc4514, OtherAttributesAndOtherTypes) {
  EXPECT_EQ(name("2.5.4.3=a"), name("CN=a"));
  EXPECT_EQ(name(raw("0c0161")), name("CN=a"));
  for (const char* text : {"1.3.6.1.4.1.99999.1=a", "2.999.72057594037927.0=a", "0.0=a", "CN=#0C00",
                           "CN=#0101FF", "CN=#0C01FF", "CN=#1E0100", "CN=#C00100"})
    EXPECT_EQ(distinguished_name_text(name(text)), text);
  EXPECT_THAT(why_not(raw("3080")), testing::HasSubstr("one value in DER")) << "an indefinite length";
}

TEST(Rfc5280_A, StringTypes) {
  const auto tag = [](const char* text) { return unsigned{name(text)[11]}; };
  EXPECT_EQ(tag("CN=a"), 0x0cU);
  EXPECT_EQ(tag("C=CH"), 0x13U);
  EXPECT_EQ(tag("dnQualifier=a"), 0x13U);
  EXPECT_EQ(tag("C=a@b"), 0x0cU) << "no PrintableString has it";
  EXPECT_EQ(name("E=a@b")[17], 0x16);
  EXPECT_EQ(name("E=ü@b")[17], 0x0c);
}

TEST(Rfc4514, WhatIsNoName) {
  const auto expect = [](std::string_view text, const char* why) {
    EXPECT_THAT(why_not(text), testing::HasSubstr(why)) << text;
  };
  for (const char* text : {"", "CN", "=a", "XY=a", "CN=a,", "CN=a,,O=b", "CN=a+", ",CN=a", "CN=a, b", "/CN=a",
                           "2=a", "3.1=a", "1.40=a", "1..2=a", "1.2.=a", "1.2.72057594037927936=a", "-1.2=a"})
    expect(text, "is no attribute of a distinguished name");
  for (const char* text : {"CN=", "CN= ", "CN=\"\"", "CN=+O=a"}) expect(text, "has no value");
  for (const char* text : {"CN=a\\", "CN=\\a", "CN=\\agb", "CN=\\\n"})
    expect(text, "a backslash stands before");
  for (const char* text : {"CN=a;b", "CN=a\"b\"", "CN=<a", "CN=a\nb", "CN=a\x7f"})
    expect(text, "need a backslash");
  expect("CN=\"a", "closing quote is missing");
  expect("CN=\"a\"b", "behind the closing quote");
  for (const std::string& text : {raw(""), raw("0c0161ff"), raw("0c02"), raw("c000"), raw("1f0161")})
    expect(text, "one value in DER");
  for (const std::string& text : {raw("0c016"), raw("zz")}) expect(text, "pairs of hexadecimal digits");
  for (const char* text : {"CN=\\ff", "CN=\\c0\\80", "CN=\\ed\\a0\\80", "CN=\\f4\\90\\80\\80", "CN=\\e2\\82"})
    expect(text, "not UTF-8");
  for (const char* text : {"CN=gw*", "CN=**", "CN=*.example", "CN=*\\*"})
    expect(text, "a star is a whole value");
}

TEST(Rfc4514, SizesAreBounded) {
  const auto of = [](unsigned attributes, std::size_t length) {
    std::string text;
    for (unsigned i = 0; i < attributes; ++i) text += (i ? ",CN=" : "CN=") + std::string(length, 'a');
    return text;
  };
  for (const auto& [attributes, length] : {std::pair{64U, 40U}, {1U, 1024U}, {3U, 1024U}})
    EXPECT_TRUE(parse_distinguished_name(of(attributes, length))) << attributes << ' ' << length;
  for (const auto& [attributes, length] :
       {std::pair{65U, 1U}, {1U, 1025U}, {4U, 1024U}, {5000U, 1U}, {1U, 100000U}})
    EXPECT_THAT(why_not(of(attributes, length)), testing::HasSubstr("at most 64"))
        << attributes << ' ' << length;
}

TEST(Rfc5280_7_1, ValuesAreComparedByTheirText) {
  EXPECT_TRUE(same("C=CH, O=Example AG, CN=GW.example", "c=ch,O=  example   ag ,CN=gw.EXAMPLE"));
  EXPECT_TRUE(same("CN=\\ a\\ \\ b\\ ", "CN=A b"));
  const Buffer gw = name("CN=gw");
  for (const char* v : {"13026777", "16026777", "14024757", "1e0400670077", "1c080000006700000077"})
    EXPECT_TRUE(same_distinguished_name(common_name(hex(v)), gw)) << v;
  EXPECT_TRUE(same_distinguished_name(common_name(hex("1401fc")), name("CN=ü"))) << "T61String as Latin-1";
  EXPECT_TRUE(same_distinguished_name(kBmp, name("O=zürich, CN=Łódź")));
  EXPECT_FALSE(same("CN=Ü", "CN=ü")) << "only a to z have no case";
  for (const char* other :
       {"CN=gw1", "CN=g w", "OU=gw", "CN=gw, CN=gw", "CN=gw+CN=gw", "CN=gw\\00", "CN=gw\\00.example"})
    EXPECT_FALSE(same("CN=gw", other)) << other;
  EXPECT_FALSE(same("C=CH, CN=gw", "CN=gw, C=CH")) << "the order of sets counts";
  EXPECT_FALSE(same("C=CH+CN=gw", "C=CH, CN=gw"));
}

TEST(Rfc5280_7_1, OtherTypesOctetForOctet) {
  EXPECT_TRUE(same(raw("04024757"), raw("04024757")));
  for (const std::string& other : {raw("04026777"), raw("05024757"), std::string("CN=GW"), raw("0c024757")})
    EXPECT_FALSE(same(raw("04024757"), other)) << other;
  // Malformed strings are octets: no character is made up.
  EXPECT_FALSE(same(raw("1e0100"), raw("0c0100")));
  EXPECT_FALSE(same(raw("1302c3bc"), "CN=ü"));
  EXPECT_FALSE(same(raw("1e02d800"), raw("1c040000d800")));
  EXPECT_FALSE(same(raw("1c0400110000"), raw("1c0400110001")));
}

TEST(X501, MembersOfASetHaveNoOrder) {
  EXPECT_TRUE(same("OU=a+UID=b", "UID=b+OU=a"));
  Buffer turned = kMany;  // DER has an order; who does not keep it is the same
  const Buffer a = hex("3008060355040b0c0161"), b = hex("300f060a0992268993f22c6401010c0162");
  const auto at = std::ranges::search(turned, a).begin();
  std::ranges::copy(a, std::ranges::copy(b, at).out);
  ASSERT_NE(turned, kMany);
  EXPECT_TRUE(same_distinguished_name(turned, kMany));
  EXPECT_FALSE(same("OU=a+OU=a+OU=b", "OU=a+OU=b+OU=b"));
}

TEST(NameKey, IsTheSameForTheSame) {
  EXPECT_EQ(distinguished_name_key(name("O=A  b, CN=x+OU=y")),
            distinguished_name_key(name("o=a B,ou=Y+cn=X")));
  EXPECT_NE(distinguished_name_key(name("CN=a, CN=b")), distinguished_name_key(name("CN=a+CN=b")));
  const Buffer junk = hex("00ff");
  EXPECT_TRUE(same_distinguished_name(junk, junk)) << "a table finds what was put into it";
  EXPECT_FALSE(same_distinguished_name(junk, hex("00fe")));
  EXPECT_NE(distinguished_name_key(junk), distinguished_name_key(name("CN=a")));
}

TEST(NamePattern, AStarFitsAnyValueOfItsAttribute) {
  EXPECT_TRUE(fits("C=CH, O=Example, CN=*", "C=ch, O=EXAMPLE, CN=gw"));
  EXPECT_TRUE(fits("CN= * ", "CN=\\*"));
  EXPECT_TRUE(fits("CN=*", raw("0101ff")));
  for (const char* other : {"C=CH, O=Example", "C=CH, O=Example, OU=gw", "C=CH, O=Example, CN=gw, CN=gw",
                            "C=CH, O=Other, CN=gw", "O=Example, C=CH, CN=gw", "C=CH, O=Example, CN=gw+OU=a"})
    EXPECT_FALSE(fits("C=CH, O=Example, CN=*", other)) << other;
  EXPECT_TRUE(fits("CN=gw", "CN=GW")) << "without a star";
  EXPECT_FALSE(fits("CN=gw", "CN=gx"));
}

TEST(NamePattern, WithinASetValuesComeBeforeStars) {
  EXPECT_TRUE(fits("CN=*+CN=a", "CN=a+CN=b"));
  EXPECT_TRUE(fits("CN=*+CN=b", "CN=a+CN=b"));
  EXPECT_TRUE(fits("CN=*+CN=*", "CN=a+CN=a"));
  EXPECT_FALSE(fits("CN=*+CN=c", "CN=a+CN=b"));
  EXPECT_FALSE(fits("CN=*+OU=*", "CN=a+CN=b"));
}

TEST(NamePattern, OnlyABareStarIsOne) {
  EXPECT_TRUE(is_name_pattern(name("C=CH, CN=*")));
  for (const std::string& text : {std::string("CN=\\*"), std::string("CN=\"*\""), std::string("CN=\\2a"),
                                  raw("0c012a"), std::string("CN=a\\*")}) {
    EXPECT_FALSE(is_name_pattern(name(text))) << text;
    EXPECT_FALSE(fits(text, "CN=gw")) << text;
  }
  EXPECT_FALSE(is_name_pattern(kPerson) || is_name_pattern(hex("c000")) || is_name_pattern({}));
  EXPECT_EQ(distinguished_name_text(name("C=CH,CN=*")), "C=CH, CN=*");
}

// The octets that stand for the star are ours: who sends them is nobody.
TEST(Hostile, APatternFitsNoPattern) {
  const Buffer pattern = name("C=CH, CN=*");
  EXPECT_FALSE(fits_name_pattern(pattern, pattern));
  EXPECT_FALSE(fits_name_pattern(name("C=CH, CN=gw"), pattern));
  EXPECT_FALSE(same_distinguished_name(name("C=CH, CN=gw"), pattern));
  EXPECT_FALSE(fits_name_pattern(pattern, {}) || fits_name_pattern({}, {}) ||
               fits_name_pattern(hex("3000"), hex("3000")));
}

TEST(Hostile, WhatIsNoNameInDer) {
  EXPECT_TRUE(is_distinguished_name(hex("300d310b3009060355040313026777"))) << "as a control";
  for (const char* bad : {
           "",
           "30",
           "3000",                                    // nobody
           "30023100",                                // an empty SET
           "300431023000",                            // an empty SEQUENCE
           "300d310b300906035504031302677700",        // behind it
           "300d310b3009060355040313026777ff",        //
           "300c310b30090603550403130267",            // cut off
           "300e310b3009060355040313026777",          // longer than it is
           "3080310b30090603550403130267770000",      // indefinite length
           "30810d310b3009060355040313026777",        // not the shortest form
           "3082000d310b3009060355040313026777",      //
           "308300000d310b3009060355040313026777",    //
           "3084ffffffff310b3009060355040313026777",  // huge
           "3088ffffffffffffffff310b3009060355040313026777",
           "30ff310b3009060355040313026777",
           "310d310b3009060355040313026777",      // no SEQUENCE
           "300d300b3009060355040313026777",      // no SET
           "300d310b3109060355040313026777",      // no SEQUENCE of an attribute
           "300d310b3009050355040313026777",      // no OBJECT IDENTIFIER
           "300d310b3009060355048313026777",      // which does not end
           "300d310b3009060380040313026777",      // with zeros in front
           "300a3108300606001302677700",          //
           "300a310830060600130267 77",           // an empty one
           "300f310d300b0603550403130267770500",  // a third part
           "30093107300506035504 03",             // no value
           "300d310b300906035504031f026777",      // a tag of several octets
           "3016310b3009060355040313026777310930070603550403",
       })
    EXPECT_FALSE(is_distinguished_name(hex(bad))) << bad;
}

TEST(Hostile, NoDepthIsBelieved) {
  Buffer deep;
  for (int i = 0; i < 300; ++i) {
    const auto n = static_cast<std::uint16_t>(deep.size());
    Buffer outer(4 + deep.size());
    outer[0] = i % 2 ? 0x31 : 0x30;
    outer[1] = 0x82;
    outer[2] = static_cast<std::uint8_t>(n >> 8);
    outer[3] = static_cast<std::uint8_t>(n);
    std::ranges::copy(deep, outer.begin() + 4);
    deep = std::move(outer);
  }
  EXPECT_FALSE(is_distinguished_name(deep));
  EXPECT_FALSE(is_distinguished_name(Buffer(4000, 0x30)));
  EXPECT_EQ(distinguished_name_text(hex("30300a")), "30300A");
  const Buffer within = common_name(hex("3006300430023000"));
  EXPECT_EQ(distinguished_name_text(within), raw("3006300430023000")) << "a value is not looked into";
}

TEST(Hostile, SizesAreBounded) {
  std::string text = "CN=*";
  for (int i = 0; i < 63; ++i) text += "+CN=" + std::string(30, static_cast<char>('A' + i % 26));
  const Buffer largest = name(text);
  EXPECT_TRUE(is_name_pattern(largest));
  EXPECT_FALSE(fits_name_pattern(largest, name("CN=a")));
  Buffer many = hex("30820208");
  for (int i = 0; i < 65; ++i)
    for (const std::uint8_t b : hex("3109300706032a0304")) many.push_back(b);
  EXPECT_FALSE(is_distinguished_name(many));
  EXPECT_FALSE(is_distinguished_name(Buffer(65535, 0x31)));
}

// Every octet of a good name with every other value, and every beginning of it: nothing is read that is not
// there, the text is printable, and what is a name is the same as its text read again.
TEST(Hostile, EveryMutation) {
  const Buffer pattern = name("O=Other, CN=*");
  unsigned names = 0;
  const auto look_at = [&](const Buffer& der) {
    const std::string text = distinguished_name_text(der);
    ASSERT_TRUE(std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; })) << text;
    ASSERT_FALSE(fits_name_pattern(pattern, der)) << text;
    if (!is_distinguished_name(der)) return;
    ++names;
    const auto again = parse_distinguished_name(text);
    ASSERT_TRUE(again.has_value()) << text << ": " << again.error().what;
    ASSERT_EQ(distinguished_name_key(*again), distinguished_name_key(der)) << text;
  };
  for (const Buffer& good : {kBmp, name("C=CH+UID=b")})
    for (std::size_t i = 0; i < good.size(); ++i) {
      look_at(Buffer(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(i)));
      Buffer bad = good;
      for (unsigned v = 0; v < 256; ++v) {
        bad[i] = static_cast<std::uint8_t>(v);
        look_at(bad);
      }
    }
  EXPECT_GT(names, 2000U) << "or nothing was compared";
}

// The same of texts, which a configuration has.
TEST(Hostile, EveryMutationOfAText) {
  const std::string good = "C=CH, O=\"a\\c3\\bc\"+OU=#0c0161 ,2.5.4.3=*";
  for (std::size_t i = 0; i < good.size(); ++i)
    for (unsigned v = 0; v < 256; ++v) {
      std::string bad = good;
      bad[i] = static_cast<char>(v);
      const auto der = parse_distinguished_name(bad);
      if (!der) continue;
      ASSERT_EQ(name(distinguished_name_text(*der)), *der) << bad;
    }
}

}  // namespace simplon::ike::test

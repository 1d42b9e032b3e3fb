// SPDX-License-Identifier: Apache-2.0
// Keys in tokens: what they are called (RFC 7512), and signatures by one of SoftHSM that the peer's check
// takes.
#include "ike/crypto/token_key.h"

#include <gmock/gmock.h>

#include <thread>

#include "ike/crypto/certificate.h"
#include "ike/crypto/signature.h"
#include "ike/crypto/signing_key.h"
#include "ike/crypto/token_uri.h"
#include "tests/ike/crypto/token.h"

namespace simplon::ike::test {
namespace {

using testing::HasSubstr;
using testing::Not;

const Buffer kOctets(300, 0x42);
Bytes octets(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string text(Bytes from) { return {from.begin(), from.end()}; }
std::string error_of(std::string_view uri) {
  const auto read = parse_token_uri(uri);
  return read ? "" : read.error().what;
}

TEST(Rfc7512, AttributesTellTokensAndKeysApart) {
  const auto uri = parse_token_uri(
      "pkcs11:token=My%20token;manufacturer=M;model=V2;serial=00ff;object=gw;id=%00%A1b;type=private"
      "?module-path=/usr/lib/x.so&pin-value=1%26%3B");
  ASSERT_TRUE(uri) << uri.error().what;
  EXPECT_EQ(uri->token, "My token");
  EXPECT_EQ(uri->manufacturer, "M");
  EXPECT_EQ(uri->model, "V2");
  EXPECT_EQ(uri->serial, "00ff");
  EXPECT_EQ(uri->object, "gw");
  EXPECT_EQ(uri->id, std::string("\0\xA1"
                                 "b",
                                 3));
  EXPECT_EQ(uri->module_path, "/usr/lib/x.so");
  ASSERT_TRUE(uri->pin);
  EXPECT_EQ(text(uri->pin->bytes()), "1&;");
  EXPECT_FALSE(uri->handle);
}

TEST(Rfc7512, WhatIsNotUnderstoodIsRefused) {
  EXPECT_EQ(error_of("pkcs11:object=gw"), "");
  EXPECT_THAT(error_of("pkcs11:token=t"), HasSubstr("needs object= or id="));
  EXPECT_THAT(error_of("pkcs11:object=gw;slot-id=1"), HasSubstr("nothing else before the question mark"));
  EXPECT_THAT(error_of("pkcs11:object=gw;object=gw"), HasSubstr("object= comes twice"));
  EXPECT_THAT(error_of("pkcs11:object=gw;type=cert"), HasSubstr("private"));
  EXPECT_THAT(error_of("pkcs11:object=gw?pin-source=file:/x"), HasSubstr("nothing else"));
  EXPECT_THAT(error_of("pkcs11:object=gw?pin-value="), HasSubstr("is empty"));
  EXPECT_THAT(error_of("pkcs11:object=%4"), HasSubstr("hexadecimal"));
  EXPECT_THAT(error_of("pkcs11:object=%4g"), HasSubstr("hexadecimal"));
  EXPECT_THAT(error_of("pkcs11:object=a%00b"), HasSubstr("zero octet"));
  EXPECT_THAT(error_of("pkcs11:object=" + std::string(5000, 'a')), HasSubstr("too long"));
  EXPECT_THAT(error_of("pkcs12:object=gw"), HasSubstr("pkcs11:"));
}

TEST(TokenUri, AHandleOfTheTpmIsAPersistentOne) {
  const auto uri = parse_token_uri("handle:0x81000001");
  ASSERT_TRUE(uri);
  EXPECT_EQ(uri->handle, 0x81000001u);
  for (const char* bad : {"handle:0x80000001", "handle:0x82000000", "handle:0x", "handle:0x8100000g",
                          "handle:0x181000001", "handle:0x81000001?pin-value=1"})
    EXPECT_THAT(error_of(bad), HasSubstr("0x81000000 to 0x81ffffff")) << bad;
  EXPECT_NE(error_of("handle:81000001"), "");
}

TEST(TokenUri, ThePinIsPutInAndNeverShown) {
  const auto key = token_key("pkcs11:object=gw", octets("1&2"));
  ASSERT_TRUE(key);
  EXPECT_EQ(text(key->bytes()), "pkcs11:object=gw?pin-value=%31%26%32");
  EXPECT_EQ(text(token_key("pkcs11:object=gw?module-path=/x", octets("1"))->bytes()),
            "pkcs11:object=gw?module-path=/x&pin-value=%31");
  EXPECT_EQ(text(token_key("handle:0x81000001", {})->bytes()), "handle:0x81000001");
  EXPECT_EQ(without_pin("pkcs11:object=gw?pin-value=1&module-path=/x"), "pkcs11:object=gw?module-path=/x");
  EXPECT_EQ(without_pin("pkcs11:object=gw?pin-value=%31"), "pkcs11:object=gw");
  const auto twice = token_key("pkcs11:object=gw?pin-value=777", octets("1"));
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().what, testing::AllOf(HasSubstr("secrets"), Not(HasSubstr("777"))));
  EXPECT_FALSE(token_key("handle:0x81000001", octets("1")));
  EXPECT_FALSE(token_key("pkcs11:object=gw", octets(std::string_view("1\0", 2))));
}

class Pkcs11 : public testing::Test {
 protected:
  void SetUp() override {
    if (softhsm_library().empty()) GTEST_SKIP() << "there is no SoftHSM";
  }
  // A certificate of a new key that is in the token alone.
  static Issued in_token(const std::string& kind, const std::string& label, const std::string& id,
                         std::string_view pin = "1234") {
    Issued out = self_signed("CN=peer", {.names = {"DNS:peer.example"}, .key = kind});
    EXPECT_TRUE(SoftToken::get().import(label, id, out.key));
    out.key = *token_key(SoftToken::uri("token=gateway;object=" + label), octets(pin));
    return out;
  }
  static SignAuthResult sign(const Issued& who, RsaPadding padding = RsaPadding::kPss,
                             std::vector<HashId> hashes = our_hashes()) {
    return run(SignAuth{.credential = Credential{.chain = {who.der}, .key = who.key, .padding = padding},
                        .peer = {.hashes = std::move(hashes)},
                        .octets = kOctets});
  }
  static std::string fault(const Issued& who, const SignAuthResult& made) {
    if (made.auth.data.empty()) return made.why;
    const VerifyAuthResult result = run(VerifyAuth{.trust = Trust{.pinned = {who.der}},
                                                   .certificates = {{CertEncoding::kX509, who.der}},
                                                   .id = *Identity::parse("peer.example"),
                                                   .octets = kOctets,
                                                   .auth = made.auth});
    return result.ok ? "" : result.why;
  }
};

TEST_F(Pkcs11, EveryKindOfKeySignsWhatThePeerTakes) {
  const Issued rsa = in_token("RSA:2048", "rsa", "01"), p256 = in_token("EC:P-256", "p256", "02"),
               p384 = in_token("EC:P-384", "p384", "03");
  EXPECT_EQ(fault(rsa, sign(rsa, RsaPadding::kPss)), "");
  EXPECT_EQ(fault(rsa, sign(rsa, RsaPadding::kPkcs1)), "");
  EXPECT_EQ(fault(p256, sign(p256)), "");
  EXPECT_EQ(fault(p256, sign(p256, RsaPadding::kPss, {HashId::kSha512})), "");
  EXPECT_EQ(fault(p384, sign(p384)), "");
  const SignAuthResult older = sign(p256, RsaPadding::kPss, {});  // RFC 4754
  EXPECT_EQ(older.auth.method, AuthMethod::kEcdsaP256);
  EXPECT_EQ(fault(p256, older), "");
  EXPECT_NE(fault(p384, sign(p256)), "");
  EXPECT_EQ(token_belongs_to(p256.der, p256.key), true);
  EXPECT_EQ(token_belongs_to(p384.der, p256.key), false);
}

TEST_F(Pkcs11, ManyThreadsSignByTurns) {
  const Issued a = in_token("EC:P-256", "many-a", "11"), b = in_token("EC:P-256", "many-b", "12");
  std::array<int, 4> good{};
  {
    std::vector<std::jthread> threads;
    threads.reserve(good.size());
    for (std::size_t i = 0; i < good.size(); ++i)
      threads.emplace_back([&, i] {
        const Issued& who = i % 2 == 0 ? a : b;
        for (int n = 0; n < 20; ++n) good[i] += fault(who, sign(who)).empty() ? 1 : 0;
      });
  }
  EXPECT_THAT(good, testing::Each(20));
}

TEST_F(Pkcs11, ATokenThatWasAwayIsFoundAgain) {
  const Issued who = in_token("EC:P-256", "away", "21");
  EXPECT_EQ(fault(who, sign(who)), "");
  SoftToken::get().pull();
  EXPECT_TRUE(reopen_token(who.key.bytes()));
  EXPECT_THAT(sign(who).why, HasSubstr("the token is not there"));
  SoftToken::get().put_back();
  EXPECT_TRUE(reopen_token(who.key.bytes()));
  EXPECT_EQ(fault(who, sign(who)), "");
}

TEST_F(Pkcs11, WhatIsNotThereIsNamedAndThePinIsNot) {
  const Issued there = in_token("EC:P-256", "there", "31");
  const auto why = [&](const std::string& parts, std::string_view pin = "1234") {
    return sign({.der = there.der, .key = *token_key(SoftToken::uri(parts), octets(pin))}).why;
  };
  EXPECT_EQ(why("token=gateway;object=there"), "");
  EXPECT_EQ(why("token=gateway;id=%31"), "");
  const std::string other = why("token=gateway;object=none");
  EXPECT_THAT(other, HasSubstr("pkcs11:token=gateway;object=none"));
  EXPECT_THAT(other, HasSubstr("no such private key"));
  EXPECT_THAT(other, Not(HasSubstr("%31%32")));
  EXPECT_THAT(why("token=another;object=there"), HasSubstr("the token is not there"));
  const auto no_library = token_key("pkcs11:object=gw?module-path=/nowhere.so", {});
  EXPECT_THAT(sign({.der = there.der, .key = *no_library}).why, HasSubstr("/nowhere.so cannot be loaded"));
}

// Three wrong ones lock the tokens that people carry.
TEST_F(Pkcs11, AWrongPinIsTriedOnce) {
  const Issued good = in_token("EC:P-256", "pin", "41");
  const Issued wrong{.der = good.der,
                     .key = *token_key(SoftToken::uri("token=gateway;object=pin"), octets("9999"))};
  const Issued none{.der = good.der, .key = *token_key(SoftToken::uri("token=gateway;object=pin"), {})};
  reopen_token(good.key.bytes());
  EXPECT_THAT(sign(none).why, HasSubstr("needs its PIN"));
  EXPECT_THAT(sign(wrong).why, HasSubstr("does not take the PIN; it is not tried again"));
  EXPECT_EQ(fault(good, sign(good)), "");
  EXPECT_THAT(sign(wrong).why, HasSubstr("does not take the PIN"));  // the token itself is open by now
  reopen_token(wrong.key.bytes());
  EXPECT_THAT(sign(wrong).why, HasSubstr("does not take the PIN"));
}

}  // namespace
}  // namespace simplon::ike::test

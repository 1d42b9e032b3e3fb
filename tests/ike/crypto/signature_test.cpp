// SPDX-License-Identifier: Apache-2.0
// AUTH by signature: which scheme is used with whom, and that each one made is checked, to the last bit.
#include "ike/crypto/signature.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <tuple>

#include "ike/crypto/certificate.h"
#include "tests/ike/certificates.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

const Buffer kOctets(300, 0x42);
const std::vector<HashId> kAll = our_hashes();

// One pinned certificate per kind of key: these tests are of signatures alone.
const Issued& with_key(const std::string& kind) {
  static std::map<std::string, Issued> made;
  auto& one = made[kind];
  const bool plain = kind.starts_with("ED");
  if (one.der.empty())
    one = self_signed("CN=peer", {.names = {"DNS:peer.example"}, .key = kind, .hash = plain ? "" : "SHA256"});
  return one;
}

SignAuthResult sign(const Issued& who, PeerSignatures peer, RsaPadding padding = RsaPadding::kPss,
                    WeakAlgorithms weak = WeakAlgorithms::kRefuse) {
  return run(
      SignAuth{.credential = Credential{.chain = {who.der}, .key = who.key, .padding = padding, .weak = weak},
               .peer = std::move(peer),
               .octets = kOctets});
}

VerifyAuthResult verify(const Issued& who, const Authentication& auth,
                        WeakAlgorithms weak = WeakAlgorithms::kRefuse, const Buffer& octets = kOctets) {
  return run(VerifyAuth{.trust = Trust{.pinned = {who.der}, .weak = weak},
                        .certificates = {},
                        .id = *Identity::parse("peer.example"),
                        .octets = octets,
                        .auth = auth});
}

// After the octet of length.
Buffer identifier_of(const Authentication& auth) {
  return {auth.data.begin() + 1, auth.data.begin() + 1 + auth.data[0]};
}
Authentication with_identifier(const Authentication& auth, const Buffer& identifier) {
  Authentication out = auth;
  out.data.assign(1, static_cast<std::uint8_t>(identifier.size()));
  out.data.insert(out.data.end(), identifier.begin(), identifier.end());
  out.data.insert(out.data.end(), auth.data.begin() + 1 + auth.data[0], auth.data.end());
  return out;
}

// The AlgorithmIdentifiers as RFC 7427 Appendix A and RFC 8420 print them.
struct Printed {
  const char* key;
  HashId hash;
  RsaPadding padding;
  std::string identifier;
};
const std::string kPssHead = "3041 0609 2a864886f70d01010a 3034 a00f 300d 0609 6086480165030402";
const std::string kPssMiddle = "0500 a11c 301a 0609 2a864886f70d010108 300d 0609 6086480165030402";
std::vector<Printed> printed() {
  using enum HashId;
  std::vector<Printed> out;
  const auto add = [&](const char* key, HashId hash, const std::string& text,
                       RsaPadding p = RsaPadding::kPkcs1) { out.push_back({key, hash, p, text}); };
  add("RSA:2048", kSha256, "300d 0609 2a864886f70d01010b 0500");
  add("RSA:2048", kSha384, "300d 0609 2a864886f70d01010c 0500");
  add("RSA:2048", kSha512, "300d 0609 2a864886f70d01010d 0500");
  add("RSA:2048", kSha256, kPssHead + "01" + kPssMiddle + "01 0500 a203 020120", RsaPadding::kPss);
  add("RSA:2048", kSha384, kPssHead + "02" + kPssMiddle + "02 0500 a203 020130", RsaPadding::kPss);
  add("RSA:2048", kSha512, kPssHead + "03" + kPssMiddle + "03 0500 a203 020140", RsaPadding::kPss);
  for (const char* curve : {"EC:P-256", "EC:P-384", "EC:P-521"}) {
    add(curve, kSha256, "300a 0608 2a8648ce3d040302");
    add(curve, kSha384, "300a 0608 2a8648ce3d040303");
    add(curve, kSha512, "300a 0608 2a8648ce3d040304");
  }
  add("ED25519", kIdentity, "3005 0603 2b6570");
  add("ED448", kIdentity, "3005 0603 2b6571");
  return out;
}

}  // namespace

TEST(Rfc7427_A, EachSchemeSignsAndVerifies) {
  for (const Printed& p : printed()) {
    const Issued who = with_key(p.key);
    const auto made = sign(who, {.hashes = {p.hash}, .padding = {}}, p.padding);
    ASSERT_EQ(made.auth.method, AuthMethod::kDigitalSignature) << p.key << ": " << made.why;
    EXPECT_EQ(identifier_of(made.auth), hex(p.identifier)) << p.key;
    const auto checked = verify(who, made.auth);
    EXPECT_TRUE(checked.ok) << p.key << ": " << checked.why;
    if (std::string_view(p.key).starts_with("RSA"))
      EXPECT_EQ(checked.padding, p.padding);
    else
      EXPECT_FALSE(checked.padding);
    Buffer other = kOctets;
    other.back() ^= 1;
    EXPECT_FALSE(verify(who, made.auth, WeakAlgorithms::kAllow, other).ok) << p.key;
  }
}

TEST(Rfc7427_3, EachBitCounts) {
  for (const char* key : {"EC:P-256", "RSA:2048", "ED25519"}) {
    const Issued who = with_key(key);
    const auto made = sign(who, {.hashes = kAll, .padding = {}});
    ASSERT_TRUE(verify(who, made.auth).ok) << key;
    for (std::size_t i = 0; i < made.auth.data.size(); ++i)
      for (int bit = 0; bit < 8; ++bit) {
        Authentication flipped = made.auth;
        flipped.data[i] = static_cast<std::uint8_t>(flipped.data[i] ^ 1 << bit);
        const auto checked = verify(who, flipped);
        EXPECT_FALSE(checked.ok) << key << " octet " << i << " bit " << bit;
        EXPECT_FALSE(checked.why.empty());
      }
    for (std::size_t i = 0; i < made.auth.data.size(); ++i) {
      Authentication cut = made.auth;
      cut.data.resize(i);
      EXPECT_FALSE(verify(who, cut).ok) << key << " of " << i << " octets";
    }
    Authentication longer = made.auth;
    longer.data.push_back(0);
    EXPECT_FALSE(verify(who, longer).ok) << key;
  }
}

// RFC 4055 §2.1, §5: parameters of a hash, and of RSA with it, may be absent; of ECDSA they must be (RFC
// 5758).
TEST(Rfc4055_5, NullParametersMayBeAbsent) {
  const Issued rsa = with_key("RSA:2048"), ec = with_key("EC:P-256");
  const auto pkcs1 = sign(rsa, {.hashes = kAll, .padding = {}}, RsaPadding::kPkcs1);
  EXPECT_TRUE(verify(rsa, with_identifier(pkcs1.auth, hex("300b 0609 2a864886f70d01010b"))).ok);
  const auto pss = sign(rsa, {.hashes = kAll, .padding = {}});
  for (const char* text :
       {"303d 0609 2a864886f70d01010a 3030 a00d 300b 0609 608648016503040201 a11a 3018 0609 "
        "2a864886f70d010108 300b 0609 608648016503040201 a203 020120",
        "303f 0609 2a864886f70d01010a 3032 a00f 300d 0609 608648016503040201 0500 a11a 3018 0609 "
        "2a864886f70d010108 300b 0609 608648016503040201 a203 020120"})
    EXPECT_TRUE(verify(rsa, with_identifier(pss.auth, hex(text))).ok) << text;
  const auto ecdsa = sign(ec, {.hashes = kAll, .padding = {}});
  EXPECT_FALSE(verify(ec, with_identifier(ecdsa.auth, hex("300c 0608 2a8648ce3d040302 0500"))).ok);
}

TEST(Rfc7427_4, SchemesThatAreRefused) {
  const Issued rsa = with_key("RSA:2048");
  const auto made = sign(rsa, {.hashes = kAll, .padding = {}});
  for (const char* text : {"300d 0609 2a864886f70d010105 0500",  // RSA with SHA-1
                           "300d 0609 2a864886f70d01010a 3000",  // PSS with SHA-1 (RFC 7427 A.4.1)
                           "300a 0608 2a8648ce3d040302", "3005 0603 2b6570"})  // not of this key
    for (const auto weak : {WeakAlgorithms::kRefuse, WeakAlgorithms::kAllow})
      EXPECT_FALSE(verify(rsa, with_identifier(made.auth, hex(text)), weak).ok) << text;
}

// RFC 7427 §4: the peer says what it can check.
TEST(Rfc7427_4, ThePeerChoosesTheHash) {
  using enum HashId;
  const auto hash_of = [](const char* key, std::vector<HashId> hashes) {
    return identifier_of(
               sign(with_key(key), {.hashes = std::move(hashes), .padding = {}}, RsaPadding::kPkcs1).auth)
        .back();
  };
  EXPECT_EQ(hash_of("EC:P-256", kAll), 2);
  EXPECT_EQ(hash_of("EC:P-384", kAll), 3);
  EXPECT_EQ(hash_of("EC:P-521", kAll), 4);
  EXPECT_EQ(hash_of("EC:P-256", {kSha1, kSha384, kSha512}), 4) << "the strongest, where none fits the curve";
  EXPECT_EQ(hash_of("EC:P-521", {kSha256}), 2);
  EXPECT_EQ(sign(with_key("RSA:2048"), {.hashes = {kSha512, kSha384}, .padding = {}}, RsaPadding::kPkcs1)
                .auth.data[13],
            12);
}

TEST(Rfc7427_3, AnRsaPeerIsAnsweredInItsPadding) {
  const Issued rsa = with_key("RSA:2048");
  const auto pss = sign(rsa, {.hashes = kAll, .padding = RsaPadding::kPss}, RsaPadding::kPkcs1);
  EXPECT_EQ(verify(rsa, pss.auth).padding, RsaPadding::kPss);
  const auto pkcs1 = sign(rsa, {.hashes = kAll, .padding = RsaPadding::kPkcs1}, RsaPadding::kPss);
  EXPECT_EQ(verify(rsa, pkcs1.auth).padding, RsaPadding::kPkcs1);
}

// The older methods: r | s of a fixed length, the hash of the curve.
TEST(Rfc4754_7, APeerWithoutRfc7427) {
  const std::array<std::tuple<const char*, AuthMethod, std::size_t>, 3> rows{
      {{"EC:P-256", AuthMethod::kEcdsaP256, 64},
       {"EC:P-384", AuthMethod::kEcdsaP384, 96},
       {"EC:P-521", AuthMethod::kEcdsaP521, 132}}};
  for (const std::vector<HashId>& hashes : {std::vector<HashId>{}, std::vector{HashId::kSha1}})
    for (const auto& [key, method, length] : rows) {
      const Issued who = with_key(key);
      const auto made = sign(who, {.hashes = hashes, .padding = {}});
      ASSERT_EQ(made.auth.method, method) << made.why;
      EXPECT_EQ(made.auth.data.size(), length);
      EXPECT_TRUE(verify(who, made.auth).ok);
      for (std::size_t i = 0; i < length; ++i) {
        Authentication flipped = made.auth;
        flipped.data[i] ^= 0x10;
        EXPECT_FALSE(verify(who, flipped).ok);
      }
      Authentication longer = made.auth;
      longer.data.push_back(0);
      EXPECT_FALSE(verify(who, longer).ok);
      EXPECT_FALSE(verify(who, {made.auth.method, Buffer(length)}).ok);
      EXPECT_FALSE(
          verify(with_key(std::string_view(key) == "EC:P-256" ? "EC:P-384" : "EC:P-256"), made.auth).ok);
    }
}

TEST(Rfc7296_3_8, RsaWithSha1OnlyWhereWeakAlgorithmsMayBe) {
  const Issued rsa = with_key("RSA:2048");
  for (const std::vector<HashId>& hashes : {std::vector<HashId>{}, std::vector{HashId::kSha1}}) {
    const auto refused = sign(rsa, {.hashes = hashes, .padding = {}});
    EXPECT_TRUE(refused.auth.data.empty());
    EXPECT_NE(refused.why.find("the peer has SHA-1 signatures alone; legacy: allow"), std::string::npos);
    const auto made = sign(rsa, {.hashes = hashes, .padding = {}}, RsaPadding::kPss, WeakAlgorithms::kAllow);
    ASSERT_EQ(made.auth.method, AuthMethod::kRsa) << made.why;
    EXPECT_TRUE(verify(rsa, made.auth, WeakAlgorithms::kAllow).ok);
    EXPECT_FALSE(verify(rsa, made.auth).ok);
  }
}

TEST(Rfc8420_2, EdwardsCurvesNeedAPeerThatKnowsThem) {
  for (const char* key : {"ED25519", "ED448"})
    for (const std::vector<HashId>& hashes : {std::vector<HashId>{}, std::vector{HashId::kSha512}}) {
      const auto refused =
          sign(with_key(key), {.hashes = hashes, .padding = {}}, RsaPadding::kPss, WeakAlgorithms::kAllow);
      EXPECT_TRUE(refused.auth.data.empty());
      EXPECT_NE(refused.why.find("RFC 8420"), std::string::npos) << refused.why;
    }
}

TEST(Rfc8247_4, ShortRsaKeys) {
  const Issued short_one = with_key("RSA:1024"), tiny = with_key("RSA:768");
  const auto refused = sign(short_one, {.hashes = kAll, .padding = {}});
  EXPECT_NE(refused.why.find("too short (RSA 1024)"), std::string::npos) << refused.why;
  const auto made =
      sign(short_one, {.hashes = kAll, .padding = {}}, RsaPadding::kPss, WeakAlgorithms::kAllow);
  EXPECT_TRUE(verify(short_one, made.auth, WeakAlgorithms::kAllow).ok);
  EXPECT_FALSE(verify(short_one, made.auth).ok);
  EXPECT_FALSE(
      sign(tiny, {.hashes = kAll, .padding = {}}, RsaPadding::kPss, WeakAlgorithms::kAllow).why.empty());
}

TEST(SignAuth, WithoutAKeyThatSigns) {
  EXPECT_FALSE(run(SignAuth{}).why.empty());
  EXPECT_FALSE(run(SignAuth{.credential = Credential{}, .peer = {}, .octets = {}}).why.empty());
  const Issued brainpool = self_signed("CN=x", {.key = "EC:brainpoolP256r1"});
  EXPECT_NE(sign(brainpool, {.hashes = kAll, .padding = {}}).why.find("cannot be used here"),
            std::string::npos);
}

TEST(VerifyAuth, OtherMethods) {
  for (const AuthMethod method : {AuthMethod::kSharedKey, AuthMethod::kNull, AuthMethod{99}, AuthMethod{0}})
    EXPECT_FALSE(verify(with_key("EC:P-256"), {method, Buffer(64, 1)}).ok);
}

}  // namespace simplon::ike::test

// SPDX-License-Identifier: Apache-2.0
// Every suite by every back end that takes it: against published vectors, against OpenSSL, and forged.
#include <gtest/gtest.h>

#include <ranges>
#include <set>

#include "tests/dp/crypto/esp_mbuf.h"
#include "tests/dp/crypto/vectors.h"
#include "tests/dp/hex.h"

namespace simplon::dp::test {
namespace {

struct Case {
  EspSuite suite;
  CryptoBackend backend;
  std::optional<std::uint32_t> high;  // with ESN
};

// The test's devices are IPsec-MB's, which take what DPDK has a common form for.
bool is_taken(const EspSuite& suite, CryptoBackend backend) {
  if (backend == CryptoBackend::kDirect) return direct_takes(suite);
  const std::string_view name = suite.encr->vici, mac = suite.integ ? suite.integ->name : "";
  if (backend == CryptoBackend::kCpu && (mac == "aesxcbc" || mac == "aescmac")) return false;
  return !name.starts_with("AES_CCM") && name != "NULL_AES_GMAC" && name != "CAMELLIA_CBC" &&
         name != "DES_CBC" && name != "3DES_CBC";
}

std::vector<Case> all_cases() {
  std::vector<Case> out;
  for (const EspSuite& suite : all_suites())
    for (const CryptoBackend backend : kBackends)
      if (is_taken(suite, backend))
        for (const auto high : {std::optional<std::uint32_t>(), std::optional<std::uint32_t>(0x01020304)})
          out.push_back({suite, backend, high});
  return out;
}

std::vector<Case> cases(bool esn) {
  std::vector<Case> out = all_cases();
  std::erase_if(out, [&](const Case& c) { return c.high.has_value() != esn; });
  return out;
}

// A suite and a back end that takes it.
class BackEnd : public testing::TestWithParam<Case> {
 protected:
  BackEnd() {
    Buffer text(16);
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<std::uint8_t>(0xa0 + i);
    nonce.assign(text.begin(), text.begin() + nonce_of(suite));
  }
  void SetUp() override { use(keys_of(suite)); }
  void use(const Keys& with) {
    keys = with;
    const Esn esn = high ? Esn::kOn : Esn::kOff;
    out = session(Direction::kOut, suite, keys.encr, keys.integ, GetParam().backend, esn);
    in = session(Direction::kIn, suite, keys.encr, keys.integ, GetParam().backend, esn);
    ASSERT_TRUE(out && in);
  }
  // SPI, sequence number, IV, `length` octets of plaintext, zeros for the ICV.
  Buffer clear(unsigned length) const {
    Buffer p(kEspBytes + suite.iv() + length + suite.icv());
    for (std::size_t i = 0; i + suite.icv() < p.size(); ++i) p[i] = static_cast<std::uint8_t>(7 * i + length);
    std::ranges::copy(Bytes(nonce).last(suite.iv()), p.begin() + kEspBytes);
    return p;
  }
  bool run(const EspMbuf& packet, const CryptoSession& s) const {
    const CryptoJob job = packet.job(s, suite, nonce, high);
    return crypto->run(&job, 1) == 1;
  }
  Buffer prepared(Buffer packet) const { return with_high(suite, std::move(packet), high); }

  const EspSuite suite = GetParam().suite;
  const std::optional<std::uint32_t> high = GetParam().high;
  Buffer nonce;
  Keys keys;
  std::unique_ptr<const CryptoSession> out, in;
  std::unique_ptr<Crypto> crypto = std::move(*Crypto::make(0));
};

TEST_P(BackEnd, EncryptsAndDecryptsAsOpenSslDoes) {
  for (unsigned blocks = 1; blocks <= 90; blocks += blocks < 20 ? 1 : 17) {
    const unsigned length = blocks * suite.encr->block;
    const Buffer plain = prepared(clear(length)),
                 sealed = prepared(seal(suite, keys, nonce, clear(length), high));
    const EspMbuf sent(plain), received(sealed);
    ASSERT_TRUE(run(sent, *out));
    ASSERT_EQ(sent.bytes(), sealed) << length << " octets";
    ASSERT_TRUE(run(received, *in)) << length << " octets";
    const Buffer opened = received.bytes();
    ASSERT_TRUE(std::ranges::equal(Bytes(opened).first(opened.size() - suite.icv()),
                                   Bytes(plain).first(plain.size() - suite.icv())))
        << length << " octets";
  }
}

// Every octet that is authenticated, the ICV's own among them. An AEAD's IV is so by the nonce, which is the
// job's; but GMAC's, which is authenticated (RFC 4543 §3.3).
TEST_P(BackEnd, RefusesAPacketWithOneBitChanged) {
  const Buffer sealed = prepared(seal(suite, keys, nonce, clear(3 * suite.encr->block), high));
  const bool iv_in_nonce = suite.encr->aead() && suite.encr->id != EncrId::kNullAesGmac;
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    if (iv_in_nonce && at >= kEspBytes && at < kEspBytes + suite.iv()) continue;
    EspMbuf forged(sealed);
    forged.flip(at);
    EXPECT_FALSE(run(forged, *in)) << "octet " << at << " of " << sealed.size();
  }
}

// Whose vectors serve for a cipher: with a shorter ICV it is the same one's first octets (NIST SP 800-38D
// §5.2.1.2), and whether the IV travels is nothing to the cipher (RFC 8750). CCM's ICV is another for each
// length; none is published for a nonce of eleven octets, see Rfc3610.
std::string vectors_of(const Encr& encr) {
  std::string name(encr.name);
  if (name.ends_with("iiv")) name.resize(name.size() - 3);
  if (const std::size_t gcm = name.find("gcm"); gcm != std::string::npos)
    name = name.substr(0, gcm) + "gcm16";
  return name;
}
bool has_vector(const Encr& encr) {
  return std::ranges::any_of(kVectors, [&](const Vector& v) { return vectors_of(encr) == v.encr; });
}

// The cipher's are published, and an AEAD's ICV; an HMAC of ESP is nowhere, see Rfc4868.
class BackEndWithEsn : public BackEnd {};
class BackEndWithoutEsn : public BackEnd {};  // as the published vectors are

TEST_P(BackEndWithEsn, RefusesAPacketOfAnotherStretchOfSequenceNumbers) {
  const Buffer other = seal(suite, keys, nonce, clear(3 * suite.encr->block), *high + 1);
  EXPECT_FALSE(run(EspMbuf(prepared(other)), *in));
}

TEST_P(BackEndWithoutEsn, GivesThePublishedCiphertext) {
  unsigned count = 0;
  for (const Vector& v : kVectors) {
    if (vectors_of(*suite.encr) != v.encr) continue;
    SCOPED_TRACE(v.source);
    ++count;
    use({hex(v.key), keys.integ});
    nonce = hex(v.nonce);
    const std::string iv = v.iv != nullptr ? v.iv : std::string(v.nonce).substr(2u * suite.encr->salt),
                      head = v.header + iv.substr(0, 2 * suite.iv());
    const EspMbuf packet(hex(head + v.plain + std::string(2 * suite.icv(), '0')));
    ASSERT_TRUE(run(packet, *out));
    const Buffer sealed = packet.bytes(), expected = hex(head + v.cipher);
    EXPECT_TRUE(std::ranges::equal(Bytes(sealed).first(expected.size()), expected));
    Buffer icv = v.icv != nullptr ? hex(v.icv) : icv_of(*suite.integ, keys.integ, expected);
    icv.resize(suite.icv());
    EXPECT_TRUE(std::ranges::equal(Bytes(sealed).last(suite.icv()), icv));
  }
  EXPECT_EQ(count > 0, has_vector(*suite.encr));
}

std::string text(const testing::TestParamInfo<Case>& info) {
  std::string out = suite_name(info.param.suite) + "_" + std::string(name(info.param.backend)) +
                    (info.param.high ? "_esn" : "");
  std::ranges::replace(out, '-', '_');
  return out;
}
INSTANTIATE_TEST_SUITE_P(Suites, BackEnd, testing::ValuesIn(all_cases()), text);
INSTANTIATE_TEST_SUITE_P(Suites, BackEndWithEsn, testing::ValuesIn(cases(true)), text);
INSTANTIATE_TEST_SUITE_P(Suites, BackEndWithoutEsn, testing::ValuesIn(cases(false)), text);

struct HmacVector {
  const char *integ, *icv;
};
// Key 0b 0b …, "Hi There"; of SHA-2 case AUTH-1 in RFC 4868 §2.7.2.1 to 2.7.2.3. What the tests above compare
// to.
constexpr HmacVector kHmacs[] = {
    {"md5", "9294727a3638bb1c13f48ef8"},   // RFC 2202 §2, case 1
    {"sha1", "b617318655057264e28bc0b6"},  // RFC 2202 §3, case 1
    {"sha256", "198a607eb44bfbc69903a0f1cf2bbdc5"},
    {"sha384", "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"},
    {"sha512", "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"}};

TEST(Rfc4868_2_7_2, TheReferenceGivesThePublishedIcvs) {
  for (const Integ& integ : kIntegs) {
    if (integ.name == "aesxcbc" || integ.name == "aescmac") continue;  // below
    const auto* v = std::ranges::find(kHmacs, integ.name, &HmacVector::integ);
    ASSERT_NE(v, std::end(kHmacs)) << integ.name << " needs its published vector here";
    EXPECT_EQ(icv_of(integ, Buffer(integ.key, 0x0b), hex("4869205468657265")), hex(v->icv)) << integ.name;
  }
}

TEST(Suites, EachIsTakenAsTheTableSays) {
  for (const EspSuite& suite : all_suites()) {
    SCOPED_TRACE(suite_name(suite));
    const Keys keys = keys_of(suite);
    for (const CryptoBackend backend : kBackends)
      EXPECT_EQ(session(Direction::kOut, suite, keys.encr, keys.integ, backend) != nullptr,
                is_taken(suite, backend))
          << name(backend);
    if (!direct_takes(suite)) continue;
    const auto chosen = session(Direction::kOut, suite, keys.encr, keys.integ);
    ASSERT_NE(chosen, nullptr);
    EXPECT_EQ(backend_of(*chosen), crypto_order(suite).front());
  }
}

TEST(Suites, NamesAreFoundAgain) {
  for (const EspSuite& suite : all_suites()) EXPECT_EQ(find_suite(suite_name(suite)), suite);
  for (const char* wrong : {"", "aes128", "aes128gcm16-sha256", "aes128-sha", "aes128-", "-sha256"})
    EXPECT_EQ(find_suite(wrong), std::nullopt) << wrong;
}

std::string refusal(const CryptoBackends& backends, const EspSuite& suite) {
  SaSpec sa;
  const Keys keys = keys_of(suite);
  sa.suite = suite, sa.encr_key = Secret(keys.encr), sa.integ_key = Secret(keys.integ);
  const auto made = backends.make_session(sa);
  return made ? "taken by " + std::string(name(backend_of(**made))) : made.error().what;
}

TEST(CryptoBackends, WhatWasChosenIsNotReplacedByAnother) {
  const EspSuite gcm{find_encr("aes128gcm16"), nullptr}, longer{find_encr("aes256gcm16"), nullptr};
  const auto backends =
      std::move(*CryptoBackends::open({.devices = {}, .prefer = {{gcm, CryptoBackend::kQueue}}}));
  EXPECT_EQ(
      refusal(*backends, gcm),
      "aes128gcm16 cannot be done by 'queue', which the key 'crypto.prefer' asks for; choose another, or "
      "another device");
  EXPECT_EQ(refusal(*backends, longer), "taken by direct");
}

TEST(Suites, EveryCipherHasAPublishedVector) {
  for (const Encr& encr : kEncrs) {
    const bool of_one_length = std::ranges::any_of(
        kEncrs, [&](const Encr& e) { return e.id == encr.id && e.icv == encr.icv && has_vector(e); });
    EXPECT_TRUE(of_one_length || !direct_takes({&encr, nullptr}) ||
                vectors_of(encr).find("ccm") != std::string::npos)
        << encr.name;
  }
}

// §8, packet vector 1: a nonce of 13 octets, where ESP's has 11, so that the reference alone can be asked.
TEST(Rfc3610_8, TheReferenceGivesThePublishedCiphertext) {
  const EspSuite suite{find_encr("aes128ccm8iiv"), nullptr};
  const Buffer sealed =
      seal(suite, {hex("c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"), {}}, hex("00000003020100a0a1a2a3a4a5"),
           hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e0000000000000000"));
  EXPECT_EQ(sealed, hex("0001020304050607588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"));
}

// RFC 3566 §4.6 and RFC 4494 §2 (by RFC 4493 §4), messages 00 01 02 … and the key that all of their cases
// have.
struct MacVector {
  const char *integ, *key, *message, *icv;
};
constexpr const char* kCmacKey = "2b7e151628aed2a6abf7158809cf4f3c";
constexpr MacVector kMacs[] = {
    {"aesxcbc", "000102030405060708090a0b0c0d0e0f", "", "75f0251d528ac01c4573dfd5"},
    {"aesxcbc", "000102030405060708090a0b0c0d0e0f", "000102", "5b376580ae2f19afe7219cee"},
    {"aesxcbc", "000102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0f",
     "d2a246fa349b68a79998a439"},
    {"aesxcbc", "000102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0f10111213",
     "47f51b4564966215b8985c63"},
    {"aescmac", kCmacKey, "", "bb1d6929e95937287fa37d12"},
    {"aescmac", kCmacKey, "6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9d"},
    {"aescmac", kCmacKey, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
     "dfa66747de9ae63030ca3261"},
};

TEST(Rfc3566_4_6, TheReferenceGivesThePublishedIcvs) {
  for (const MacVector& v : kMacs)
    EXPECT_EQ(icv_of(*find_integ(v.integ), hex(v.key), hex(v.message)), hex(v.icv))
        << v.integ << " " << v.message;
}

}  // namespace
}  // namespace simplon::dp::test

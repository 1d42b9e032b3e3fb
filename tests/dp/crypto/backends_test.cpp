// SPDX-License-Identifier: Apache-2.0
// Every suite by every back end that takes it: against published vectors, against OpenSSL, and forged.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <ranges>
#include <set>

#include "tests/dp/crypto/esp_mbuf.h"
#include "tests/dp/hex.h"

namespace simplon::dp::test {
namespace {

struct Keys {
  Buffer encr, integ;
};
Keys keys_of(const EspSuite& suite) {
  Keys k{Buffer(suite.encr->key), Buffer(suite.integ ? suite.integ->key : 0u)};
  for (std::size_t i = 0; i < k.encr.size(); ++i) k.encr[i] = static_cast<std::uint8_t>(3 * i + 1);
  for (std::size_t i = 0; i < k.integ.size(); ++i) k.integ[i] = static_cast<std::uint8_t>(100 + i);
  return k;
}

const EVP_CIPHER* cipher_of(const Encr& encr) {
  const std::string bits = std::to_string(encr.key * 8);
  switch (encr.id) {
    case EncrId::kAesGcm16:
      return EVP_get_cipherbyname(("id-aes" + bits + "-GCM").c_str());
    case EncrId::kAesCbc:
      return EVP_get_cipherbyname(("AES-" + bits + "-CBC").c_str());
  }
  return nullptr;
}
const EVP_MD* hash_of(const Integ& integ) {
  switch (integ.id) {
    case IntegId::kSha256_128:
      return EVP_sha256();
    case IntegId::kSha384_192:
      return EVP_sha384();
    case IntegId::kSha512_256:
      return EVP_sha512();
  }
  return nullptr;
}

Buffer hmac(const Integ& integ, Bytes key, Bytes data) {
  Buffer out(EVP_MAX_MD_SIZE);
  HMAC(hash_of(integ), key.data(), static_cast<int>(key.size()), data.data(), data.size(), out.data(),
       nullptr);
  out.resize(integ.icv);
  return out;
}

// The ESP packet `clear` (SPI, sequence number, IV, plaintext, room for the ICV) as OpenSSL makes it.
Buffer by_openssl(const EspSuite& suite, const Keys& keys, Bytes nonce, Buffer clear) {
  const int head = static_cast<int>(kEspBytes + suite.iv());
  const int length = static_cast<int>(clear.size() - suite.icv()) - head;
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> c(EVP_CIPHER_CTX_new(),
                                                                          &EVP_CIPHER_CTX_free);
  EXPECT_EQ(EVP_EncryptInit_ex(c.get(), cipher_of(*suite.encr), nullptr, keys.encr.data(), nonce.data()), 1);
  EVP_CIPHER_CTX_set_padding(c.get(), 0);
  int n = 0;
  if (suite.encr->aead()) {
    EXPECT_EQ(EVP_EncryptUpdate(c.get(), nullptr, &n, clear.data(), kEspBytes), 1);
  }
  EXPECT_EQ(EVP_EncryptUpdate(c.get(), clear.data() + head, &n, clear.data() + head, length), 1);
  EXPECT_EQ(n, length);
  std::uint8_t* icv = clear.data() + head + length;
  if (suite.encr->aead()) {
    EXPECT_EQ(EVP_EncryptFinal_ex(c.get(), icv, &n), 1);
    EXPECT_EQ(EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(suite.icv()), icv), 1);
  } else {
    std::ranges::copy(hmac(*suite.integ, keys.integ, Bytes(clear).first(clear.size() - suite.icv())), icv);
  }
  return clear;
}

struct Case {
  EspSuite suite;
  CryptoBackend backend;
};

std::vector<Case> all_cases() {
  std::vector<Case> out;
  for (const EspSuite& suite : all_suites())
    for (const CryptoBackend backend : kBackends) out.push_back({suite, backend});
  return out;
}

// A suite and a back end that takes it, else skipped.
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
    out = session(Direction::kOut, suite, keys.encr, keys.integ, GetParam().backend);
    in = session(Direction::kIn, suite, keys.encr, keys.integ, GetParam().backend);
    if (!out || !in) GTEST_SKIP() << "not taken; Suites.EachIsTakenAsTheTableSays tells whether it should be";
  }
  // SPI, sequence number, IV, `length` octets of plaintext, zeros for the ICV.
  Buffer clear(unsigned length) const {
    Buffer p(kEspBytes + suite.iv() + length + suite.icv());
    for (std::size_t i = 0; i + suite.icv() < p.size(); ++i) p[i] = static_cast<std::uint8_t>(7 * i + length);
    std::ranges::copy(Bytes(nonce).last(suite.iv()), p.begin() + kEspBytes);
    return p;
  }
  bool run(const EspMbuf& packet, const CryptoSession& s) const {
    const CryptoJob job = packet.job(s, suite, nonce);
    return crypto->run(&job, 1) == 1;
  }

  const EspSuite suite = GetParam().suite;
  Buffer nonce;
  Keys keys;
  std::unique_ptr<const CryptoSession> out, in;
  std::unique_ptr<Crypto> crypto = std::move(*Crypto::make(0));
};

TEST_P(BackEnd, EncryptsAndDecryptsAsOpenSslDoes) {
  for (unsigned blocks = 1; blocks <= 90; blocks += blocks < 20 ? 1 : 17) {
    const unsigned length = blocks * suite.encr->block;
    const Buffer plain = clear(length), sealed = by_openssl(suite, keys, nonce, plain);
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
// job's.
TEST_P(BackEnd, RefusesAPacketWithOneBitChanged) {
  const Buffer sealed = by_openssl(suite, keys, nonce, clear(3 * suite.encr->block));
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    if (suite.encr->aead() && at >= kEspBytes && at < kEspBytes + suite.iv()) continue;
    EspMbuf forged(sealed);
    forged.flip(at);
    EXPECT_FALSE(run(forged, *in)) << "octet " << at << " of " << sealed.size();
  }
}

struct Vector {
  const char *encr, *source, *key, *header, *nonce, *plain, *cipher, *icv;  // icv: of an AEAD
};
constexpr Vector kVectors[] = {
    {"aes128gcm16", "draft-mcgrew-gcm-test-01 §3", "feffe9928665731c6d6a8f9467308308", "0000a5f80000000a",
     "cafebabefacedbaddecaf888",
     "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d0010000010000000000000373697009637962657263"
     "69747902646b00000100010001",
     "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642cfbb85"
     "a5b47e48a4ec3b9ba95d918bd1",
     "83b70d3aa8bc6ee4c309e9d85a41ad4a"},
    {"aes128gcm16", "draft-mcgrew-gcm-test-01", "7d773d00c144c525ac619d18c84a3f47", "335467aeffffffff",
     "d966426743457e9182443bc6", "01020201", "437f866b", "cb3f699fe9b0822bac961c4504bef270"},
    {"aes192gcm16", "draft-mcgrew-gcm-test-01", "feffe9928665731c6d6a8f9467308308feffe9928665731c",
     "0000a5f80000000a", "cafebabefacedbaddecaf888",
     "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
     "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc77",
     "95457b9652037f5318027b5b4cd7a636"},
    {"aes256gcm16", "draft-mcgrew-gcm-test-01 §7",
     "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "4a2cbfe300000002",
     "112233440102030405060708",
     "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b4010104020102"
     "0201",
     "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99def84"
     "2d8e",
     "b335f4eecfdbf831824b4c4915956c96"},
    {"aes128", "RFC 3602 §4 case 7", "0123456789abcdef0123456789abcdef", "0000876500000002",
     "f4e765244f6407adf13dc1380f673f37",
     "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f10111213141516"
     "1718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536370102030405060708090a0a04",
     "773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c647752e"
     "94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
     nullptr},
    {"aes128", "RFC 3602 §4 case 8", "0123456789abcdef0123456789abcdef", "0000876500000005",
     "85d47224b5f3dd5d2101d4ea8dffab22",
     "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300ffffffffffffffffffffffffffffff"
     "ffffffffffffffffffffffffffffffffff0102030405060708090a0a04",
     "15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639b7eb7d"
     "fb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892",
     nullptr},
    {"aes192", "NIST SP 800-38A F.2.3", "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
     "0000876500000006", "000102030405060708090a0b0c0d0e0f",
     "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
     "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
     "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
     "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
     nullptr},
    {"aes256", "NIST SP 800-38A F.2.5", "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
     "0000876500000007", "000102030405060708090a0b0c0d0e0f",
     "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
     "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
     "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
     "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
     nullptr},
};

// The cipher's are published, and an AEAD's ICV; an HMAC of ESP is nowhere, see Rfc4868.
TEST_P(BackEnd, GivesThePublishedCiphertext) {
  unsigned count = 0;
  for (const Vector& v : kVectors) {
    if (suite.encr->name != v.encr) continue;
    SCOPED_TRACE(v.source);
    ++count;
    use({hex(v.key), keys.integ});
    nonce = hex(v.nonce);
    const std::string head = v.header + std::string(v.nonce).substr(2u * suite.encr->salt);
    const EspMbuf packet(hex(head + v.plain + std::string(2 * suite.icv(), '0')));
    ASSERT_TRUE(run(packet, *out));
    const Buffer sealed = packet.bytes(), expected = hex(head + v.cipher);
    EXPECT_TRUE(std::ranges::equal(Bytes(sealed).first(expected.size()), expected));
    const Buffer icv = v.icv != nullptr ? hex(v.icv) : hmac(*suite.integ, keys.integ, expected);
    EXPECT_TRUE(std::ranges::equal(Bytes(sealed).last(suite.icv()), icv));
  }
  EXPECT_GT(count, 0u) << "a new cipher needs its published vector here";
}

std::string text(const testing::TestParamInfo<Case>& info) {
  std::string out = suite_name(info.param.suite) + "_" + std::string(name(info.param.backend));
  std::ranges::replace(out, '-', '_');
  return out;
}
INSTANTIATE_TEST_SUITE_P(Suites, BackEnd, testing::ValuesIn(all_cases()), text);

struct HmacVector {
  const char *integ, *icv;
};
// RFC 4868 §2.7.2.1 to 2.7.2.3, case AUTH-1 of each: key 0b 0b …, "Hi There". What the tests above compare
// to.
constexpr HmacVector kHmacs[] = {
    {"sha256", "198a607eb44bfbc69903a0f1cf2bbdc5"},
    {"sha384", "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"},
    {"sha512", "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"}};

TEST(Rfc4868_2_7_2, TheReferenceGivesThePublishedIcvs) {
  for (const Integ& integ : kIntegs) {
    const auto* v = std::ranges::find(kHmacs, integ.name, &HmacVector::integ);
    ASSERT_NE(v, std::end(kHmacs)) << integ.name << " needs its published vector here";
    EXPECT_EQ(hmac(integ, Buffer(integ.key, 0x0b), hex("4869205468657265")), hex(v->icv)) << integ.name;
  }
}

bool is_taken(const EspSuite& suite, CryptoBackend backend) {
  const Keys keys = keys_of(suite);
  return session(Direction::kOut, suite, keys.encr, keys.integ, backend) != nullptr;
}

// The test's devices are IPsec-MB's, which take all that there is.
TEST(Suites, EachIsTakenAsTheTableSays) {
  for (const EspSuite& suite : all_suites()) {
    SCOPED_TRACE(suite_name(suite));
    EXPECT_EQ(is_taken(suite, CryptoBackend::kDirect), direct_takes(suite));
    EXPECT_TRUE(is_taken(suite, CryptoBackend::kCpu));
    EXPECT_TRUE(is_taken(suite, CryptoBackend::kQueue));
    const Keys keys = keys_of(suite);
    const auto chosen = session(Direction::kOut, suite, keys.encr, keys.integ);
    ASSERT_NE(chosen, nullptr);
    EXPECT_EQ(backend_of(*chosen), find_crypto_order(suite.encr->id)->order.front());
  }
}

TEST(Suites, EachHasAKernelName) {
  const std::set<std::string_view> ciphers{"rfc4106(gcm(aes))", "cbc(aes)", "rfc7539esp(chacha20,poly1305)"},
      hashes{"hmac(sha256)", "hmac(sha384)", "hmac(sha512)"};
  for (const Encr& encr : kEncrs) EXPECT_TRUE(ciphers.contains(encr.xfrm)) << encr.name;
  for (const Integ& integ : kIntegs) EXPECT_TRUE(hashes.contains(integ.xfrm)) << integ.name;
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

}  // namespace
}  // namespace simplon::dp::test

// SPDX-License-Identifier: Apache-2.0
#include "tests/dp/crypto/reference.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "dp/packet/packet.h"

namespace simplon::dp::test {
namespace {

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;
using Cipher = std::unique_ptr<EVP_CIPHER, decltype(&EVP_CIPHER_free)>;

// DES is in OpenSSL's provider of old algorithms alone; to load it makes the default one be named too.
void load_providers() {
  static OSSL_PROVIDER* const kOld = OSSL_PROVIDER_load(nullptr, "legacy");
  static OSSL_PROVIDER* const kUsual = OSSL_PROVIDER_load(nullptr, "default");
  ASSERT_TRUE(kOld != nullptr && kUsual != nullptr);
}

std::string name_of(const Encr& encr) {
  const std::string bits = std::to_string(encr.key * 8);
  switch (encr.id) {
    case EncrId::kAesGcm8:
    case EncrId::kAesGcm12:
    case EncrId::kAesGcm16:
    case EncrId::kAesGcm16Iiv:
    case EncrId::kNullAesGmac:
      return "AES-" + bits + "-GCM";
    case EncrId::kAesCcm8:
    case EncrId::kAesCcm12:
    case EncrId::kAesCcm16:
    case EncrId::kAesCcm8Iiv:
      return "AES-" + bits + "-CCM";
    case EncrId::kChaCha20Poly1305:
    case EncrId::kChaCha20Poly1305Iiv:
      return "ChaCha20-Poly1305";
    case EncrId::kAesCbc:
      return "AES-" + bits + "-CBC";
    case EncrId::kAesCtr:
      return "AES-" + bits + "-CTR";
    case EncrId::kCamelliaCbc:
      return "CAMELLIA-" + bits + "-CBC";
    case EncrId::k3Des:
      return "DES-EDE3-CBC";
    case EncrId::kDes:
      return "DES-CBC";
    case EncrId::kNull:
      break;
  }
  return {};
}

void check(bool done) { EXPECT_TRUE(done) << "OpenSSL"; }

// In place. Lengths of nonce and ICV are set before the key is, and CCM is told its length first of all.
void seal_aead(const Encr& encr, Bytes key, Bytes nonce, Bytes aad, MutableBytes text, MutableBytes icv) {
  const Cipher cipher(EVP_CIPHER_fetch(nullptr, name_of(encr).c_str(), nullptr), &EVP_CIPHER_free);
  const Context c(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  const bool ccm = name_of(encr).ends_with("CCM");
  int n = 0;
  check(EVP_EncryptInit_ex(c.get(), cipher.get(), nullptr, nullptr, nullptr) == 1);
  check(EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(nonce.size()), nullptr) == 1);
  if (ccm)
    check(EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(icv.size()), nullptr) == 1);
  check(EVP_EncryptInit_ex(c.get(), nullptr, nullptr, key.data(), nonce.data()) == 1);
  if (ccm) check(EVP_EncryptUpdate(c.get(), nullptr, &n, nullptr, static_cast<int>(text.size())) == 1);
  check(EVP_EncryptUpdate(c.get(), nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1);
  if (!text.empty())
    check(EVP_EncryptUpdate(c.get(), text.data(), &n, text.data(), static_cast<int>(text.size())) == 1);
  std::array<std::uint8_t, 16> rest;
  check(EVP_EncryptFinal_ex(c.get(), rest.data(), &n) == 1);
  check(EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(icv.size()), icv.data()) == 1);
}

void encipher(const std::string& name, Bytes key, Bytes iv, MutableBytes text) {
  load_providers();
  const Cipher cipher(EVP_CIPHER_fetch(nullptr, name.c_str(), nullptr), &EVP_CIPHER_free);
  const Context c(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  int n = 0;
  check(EVP_EncryptInit_ex(c.get(), cipher.get(), nullptr, key.data(), iv.data()) == 1);
  EVP_CIPHER_CTX_set_padding(c.get(), 0);
  check(EVP_EncryptUpdate(c.get(), text.data(), &n, text.data(), static_cast<int>(text.size())) == 1);
}

Buffer mac(const char* algorithm, const char* parameter, std::string value, Bytes key, Bytes data) {
  const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> of(EVP_MAC_fetch(nullptr, algorithm, nullptr),
                                                             &EVP_MAC_free);
  const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> c(EVP_MAC_CTX_new(of.get()),
                                                                    &EVP_MAC_CTX_free);
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(parameter, value.data(), 0),
                                   OSSL_PARAM_construct_end()};
  Buffer out(EVP_MAX_MD_SIZE);
  std::size_t n = 0;
  check(EVP_MAC_init(c.get(), key.data(), key.size(), parameters) == 1);
  check(EVP_MAC_update(c.get(), data.data(), data.size()) == 1);
  check(EVP_MAC_final(c.get(), out.data(), &n, out.size()) == 1);
  return out;
}

Buffer hmac(const char* hash, Bytes key, Bytes data) {
  return mac("HMAC", OSSL_MAC_PARAM_DIGEST, hash, key, data);
}

// RFC 3566 §4: a CBC-MAC whose last block has a key of its own, another one where it was padded.
Buffer xcbc(Bytes key, Bytes data) {
  const auto block_of = [&](std::uint8_t octet) {
    Buffer b(16, octet);
    encipher("AES-128-ECB", key, {}, b);
    return b;
  };
  const Buffer k1 = block_of(1), k2 = block_of(2), k3 = block_of(3);
  const bool whole = !data.empty() && data.size() % 16 == 0;
  Buffer padded(data.begin(), data.end());
  if (!whole) padded.push_back(0x80);
  padded.resize((padded.size() + 15) / 16 * 16);
  Buffer e(16);
  for (std::size_t at = 0; at < padded.size(); at += 16) {
    for (unsigned i = 0; i < 16; ++i) e[i] ^= padded[at + i];
    if (at + 16 == padded.size())
      for (unsigned i = 0; i < 16; ++i) e[i] ^= (whole ? k2 : k3)[i];
    encipher("AES-128-ECB", k1, {}, e);
  }
  return e;
}

}  // namespace

Keys keys_of(const EspSuite& suite) {
  Keys k{Buffer(suite.encr->key), Buffer(suite.integ ? suite.integ->key : 0u)};
  for (std::size_t i = 0; i < k.encr.size(); ++i) k.encr[i] = static_cast<std::uint8_t>(3 * i + 1);
  for (std::size_t i = 0; i < k.integ.size(); ++i) k.integ[i] = static_cast<std::uint8_t>(100 + i);
  return k;
}

Buffer icv_of(const Integ& integ, Bytes key, Bytes data) {
  Buffer out;
  switch (integ.id) {
    case IntegId::kMd5_96:
      out = hmac("MD5", key, data);
      break;
    case IntegId::kSha1_96:
      out = hmac("SHA1", key, data);
      break;
    case IntegId::kSha256_128:
      out = hmac("SHA256", key, data);
      break;
    case IntegId::kSha384_192:
      out = hmac("SHA384", key, data);
      break;
    case IntegId::kSha512_256:
      out = hmac("SHA512", key, data);
      break;
    case IntegId::kAesXcbc96:
      out = xcbc(key, data);
      break;
    case IntegId::kAesCmac96:
      out = mac("CMAC", OSSL_MAC_PARAM_CIPHER, "AES-128-CBC", key, data);
      break;
    case IntegId::kAes128Gmac:
    case IntegId::kAes192Gmac:
    case IntegId::kAes256Gmac:
      break;  // gmac_of()
  }
  out.resize(integ.icv);
  return out;
}

Buffer gmac_of(const Encr& cipher, Bytes key, Bytes nonce, Bytes data) {
  Buffer icv(cipher.icv);
  seal_aead(cipher, key, nonce, data, {}, icv);
  return icv;
}

Buffer seal(const EspSuite& suite, const Keys& keys, Bytes nonce, Buffer clear,
            std::optional<std::uint32_t> high) {
  const std::size_t head = kEspBytes + suite.iv();
  const MutableBytes all(clear), text = all.subspan(head, clear.size() - head - suite.icv()),
                                 icv = all.last(suite.icv());
  Buffer aad(clear.begin(), clear.begin() + 4);
  if (high) aad.resize(8), store_be32(aad.data() + 4, *high);
  aad.insert(aad.end(), clear.begin() + 4, clear.begin() + 8);
  if (suite.encr->id == EncrId::kNullAesGmac) {  // RFC 4543 §3.3: all is authenticated, nothing enciphered
    aad.insert(aad.end(), clear.begin() + 8, clear.end() - static_cast<std::ptrdiff_t>(suite.icv()));
    seal_aead(*suite.encr, keys.encr, nonce, aad, {}, icv);
  } else if (suite.encr->aead()) {
    seal_aead(*suite.encr, keys.encr, nonce, aad, text, icv);
  } else {
    Buffer iv(nonce.begin(), nonce.end());
    if (suite.encr->id == EncrId::kAesCtr) iv.insert(iv.end(), {0, 0, 0, 1});  // RFC 3686 §4
    if (suite.encr->id != EncrId::kNull) encipher(name_of(*suite.encr), keys.encr, iv, text);
    Buffer authenticated(clear.begin(), clear.end() - static_cast<std::ptrdiff_t>(suite.icv()));
    if (high) authenticated.resize(authenticated.size() + 4), store_be32(&*authenticated.end() - 4, *high);
    std::ranges::copy(icv_of(*suite.integ, keys.integ, authenticated), icv.begin());
  }
  return clear;
}

}  // namespace simplon::dp::test

// SPDX-License-Identifier: Apache-2.0
#include "dp/crypto/transforms.h"

#include "dp/crypto/job.h"

namespace simplon::dp {
namespace {

rte_crypto_auth_algorithm algorithm(IntegId id) {
  switch (id) {
    case IntegId::kMd5_96:
      return RTE_CRYPTO_AUTH_MD5_HMAC;
    case IntegId::kSha1_96:
      return RTE_CRYPTO_AUTH_SHA1_HMAC;
    case IntegId::kAesXcbc96:
      return RTE_CRYPTO_AUTH_AES_XCBC_MAC;
    case IntegId::kAesCmac96:
      return RTE_CRYPTO_AUTH_AES_CMAC;
    case IntegId::kSha256_128:
      return RTE_CRYPTO_AUTH_SHA256_HMAC;
    case IntegId::kSha384_192:
      return RTE_CRYPTO_AUTH_SHA384_HMAC;
    case IntegId::kSha512_256:
      return RTE_CRYPTO_AUTH_SHA512_HMAC;
    case IntegId::kAes128Gmac:  // in no suite: ah_suite()
    case IntegId::kAes192Gmac:
    case IntegId::kAes256Gmac:
      break;
  }
  __builtin_unreachable();
}

constexpr std::uint16_t kAeadNonce = 12, kCounterBlock = 16;

std::uint16_t cipher_iv(const Encr& encr) { return encr.id == EncrId::kAesCtr ? kCounterBlock : encr.iv; }

rte_cryptodev_sym_capability_idx index_of(const rte_crypto_sym_xform& xform) {
  rte_cryptodev_sym_capability_idx index{};
  index.type = xform.type;
  switch (xform.type) {
    case RTE_CRYPTO_SYM_XFORM_AEAD:
      index.algo.aead = xform.aead.algo;
      break;
    case RTE_CRYPTO_SYM_XFORM_CIPHER:
      index.algo.cipher = xform.cipher.algo;
      break;
    case RTE_CRYPTO_SYM_XFORM_AUTH:
      index.algo.auth = xform.auth.algo;
      break;
    case RTE_CRYPTO_SYM_XFORM_NOT_SPECIFIED:
      break;
  }
  return index;
}

bool covers(const rte_cryptodev_symmetric_capability& can, const rte_crypto_sym_xform& x) {
  switch (x.type) {
    case RTE_CRYPTO_SYM_XFORM_AEAD:
      return rte_cryptodev_sym_capability_check_aead(&can, x.aead.key.length, x.aead.digest_length,
                                                     x.aead.aad_length, x.aead.iv.length) == 0;
    case RTE_CRYPTO_SYM_XFORM_CIPHER:
      return rte_cryptodev_sym_capability_check_cipher(&can, x.cipher.key.length, x.cipher.iv.length) == 0;
    case RTE_CRYPTO_SYM_XFORM_AUTH:
      return rte_cryptodev_sym_capability_check_auth(&can, x.auth.key.length, x.auth.digest_length,
                                                     x.auth.iv.length) == 0;
    case RTE_CRYPTO_SYM_XFORM_NOT_SPECIFIED:
      break;
  }
  return false;
}

}  // namespace

Transforms::Transforms(const SaSpec& sa) { describe(sa); }

void Transforms::describe(const SaSpec& sa) {
  const bool out = sa.direction == Direction::kOut;
  switch (sa.suite.encr->id) {
    case EncrId::kAesGcm8:
    case EncrId::kAesGcm12:
    case EncrId::kAesGcm16:
    case EncrId::kAesGcm16Iiv:
      return aead(sa, out, RTE_CRYPTO_AEAD_AES_GCM);
    case EncrId::kChaCha20Poly1305:
    case EncrId::kChaCha20Poly1305Iiv:
      return aead(sa, out, RTE_CRYPTO_AEAD_CHACHA20_POLY1305);
    case EncrId::kAesCbc:
      return cipher_and_auth(sa, out, RTE_CRYPTO_CIPHER_AES_CBC);
    case EncrId::kAesCtr:
      return cipher_and_auth(sa, out, RTE_CRYPTO_CIPHER_AES_CTR);
    case EncrId::kDes:
      return cipher_and_auth(sa, out, RTE_CRYPTO_CIPHER_DES_CBC);
    case EncrId::k3Des:
      return cipher_and_auth(sa, out, RTE_CRYPTO_CIPHER_3DES_CBC);
    case EncrId::kNull:
      return cipher_and_auth(sa, out, RTE_CRYPTO_CIPHER_NULL);
    // DPDK has no Camellia. CCM and GMAC it wants laid out in ways of their own.
    case EncrId::kCamelliaCbc:
    case EncrId::kAesCcm8:
    case EncrId::kAesCcm12:
    case EncrId::kAesCcm16:
    case EncrId::kAesCcm8Iiv:
    case EncrId::kNullAesGmac:
      return;
  }
}

void Transforms::aead(const SaSpec& sa, bool out, rte_crypto_aead_algorithm algorithm) {
  chain_[0].type = RTE_CRYPTO_SYM_XFORM_AEAD;
  chain_[0].aead = {.op = out ? RTE_CRYPTO_AEAD_OP_ENCRYPT : RTE_CRYPTO_AEAD_OP_DECRYPT,
                    .algo = algorithm,
                    .key = {.data = sa.encr_key.bytes().data(), .length = sa.suite.encr->key},
                    .iv = {.offset = kIvOffset, .length = kAeadNonce},
                    .digest_length = sa.suite.encr->icv,
                    .aad_length = static_cast<std::uint16_t>(sa.esn == Esn::kOn ? kEsnAadBytes : kAadBytes)};
}

void Transforms::cipher_and_auth(const SaSpec& sa, bool out, rte_crypto_cipher_algorithm cipher_algorithm) {
  rte_crypto_sym_xform &cipher = chain_[out ? 0 : 1], &auth = chain_[out ? 1 : 0];
  chain_[0].next = &chain_[1];
  cipher.type = RTE_CRYPTO_SYM_XFORM_CIPHER;
  cipher.cipher = {.op = out ? RTE_CRYPTO_CIPHER_OP_ENCRYPT : RTE_CRYPTO_CIPHER_OP_DECRYPT,
                   .algo = cipher_algorithm,
                   .key = {.data = sa.encr_key.bytes().data(), .length = sa.suite.encr->key},
                   .iv = {.offset = kIvOffset, .length = cipher_iv(*sa.suite.encr)},
                   .dataunit_len = 0};
  auth.type = RTE_CRYPTO_SYM_XFORM_AUTH;
  auth.auth = {.op = out ? RTE_CRYPTO_AUTH_OP_GENERATE : RTE_CRYPTO_AUTH_OP_VERIFY,
               .algo = algorithm(sa.suite.integ->id),
               .key = {.data = sa.integ_key.bytes().data(), .length = sa.suite.integ->key},
               .iv = {},
               .digest_length = sa.suite.integ->icv};
}

bool Transforms::within(std::uint8_t device) const {
  if (chain_[0].type == RTE_CRYPTO_SYM_XFORM_NOT_SPECIFIED) return false;
  for (const rte_crypto_sym_xform* x = chain_.data(); x != nullptr; x = x->next) {
    const rte_cryptodev_sym_capability_idx index = index_of(*x);
    const rte_cryptodev_symmetric_capability* can = rte_cryptodev_sym_capability_get(device, &index);
    if (can == nullptr || !covers(*can, *x)) return false;
  }
  return true;
}

}  // namespace simplon::dp

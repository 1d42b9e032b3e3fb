// SPDX-License-Identifier: Apache-2.0
#include "dp/crypto/transforms.h"

namespace simplon::dp {
namespace {

constexpr unsigned kEspHeader = 8;

rte_crypto_auth_algorithm algorithm(IntegId id) {
  switch (id) {
    case IntegId::kSha256_128:
      return RTE_CRYPTO_AUTH_SHA256_HMAC;
    case IntegId::kSha384_192:
      return RTE_CRYPTO_AUTH_SHA384_HMAC;
    case IntegId::kSha512_256:
      return RTE_CRYPTO_AUTH_SHA512_HMAC;
  }
  __builtin_unreachable();
}

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

Transforms::Transforms(const SaSpec& sa) {
  const bool out = sa.direction == Direction::kOut;
  switch (sa.suite.encr->id) {
    case EncrId::kAesGcm16:
      aead(sa, out, RTE_CRYPTO_AEAD_AES_GCM);
      break;
    case EncrId::kAesCbc:
      cipher_and_auth(sa, out, RTE_CRYPTO_CIPHER_AES_CBC);
      break;
  }
}

void Transforms::aead(const SaSpec& sa, bool out, rte_crypto_aead_algorithm algorithm) {
  chain_[0].type = RTE_CRYPTO_SYM_XFORM_AEAD;
  chain_[0].aead = {.op = out ? RTE_CRYPTO_AEAD_OP_ENCRYPT : RTE_CRYPTO_AEAD_OP_DECRYPT,
                    .algo = algorithm,
                    .key = {.data = sa.encr_key.bytes().data(), .length = sa.suite.encr->key},
                    .iv = {.offset = kIvOffset,
                           .length = static_cast<std::uint16_t>(sa.suite.encr->salt + sa.suite.encr->iv)},
                    .digest_length = sa.suite.encr->icv,
                    .aad_length = kEspHeader};
}

void Transforms::cipher_and_auth(const SaSpec& sa, bool out, rte_crypto_cipher_algorithm cipher_algorithm) {
  rte_crypto_sym_xform &cipher = chain_[out ? 0 : 1], &auth = chain_[out ? 1 : 0];
  chain_[0].next = &chain_[1];
  cipher.type = RTE_CRYPTO_SYM_XFORM_CIPHER;
  cipher.cipher = {.op = out ? RTE_CRYPTO_CIPHER_OP_ENCRYPT : RTE_CRYPTO_CIPHER_OP_DECRYPT,
                   .algo = cipher_algorithm,
                   .key = {.data = sa.encr_key.bytes().data(), .length = sa.suite.encr->key},
                   .iv = {.offset = kIvOffset, .length = sa.suite.encr->iv},
                   .dataunit_len = 0};
  auth.type = RTE_CRYPTO_SYM_XFORM_AUTH;
  auth.auth = {.op = out ? RTE_CRYPTO_AUTH_OP_GENERATE : RTE_CRYPTO_AUTH_OP_VERIFY,
               .algo = algorithm(sa.suite.integ->id),
               .key = {.data = sa.integ_key.bytes().data(), .length = sa.suite.integ->key},
               .iv = {},
               .digest_length = sa.suite.integ->icv};
}

bool Transforms::within(std::uint8_t device) const {
  for (const rte_crypto_sym_xform* x = chain_.data(); x != nullptr; x = x->next) {
    const rte_cryptodev_sym_capability_idx index = index_of(*x);
    const rte_cryptodev_symmetric_capability* can = rte_cryptodev_sym_capability_get(device, &index);
    if (can == nullptr || !covers(*can, *x)) return false;
  }
  return true;
}

}  // namespace simplon::dp

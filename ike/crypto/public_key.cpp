// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/public_key.h"

#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include <array>
#include <string_view>

namespace simplon::ike {
namespace {

using KeyInfo = openssl::Owner<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;

constexpr int kLeastRsaBits = 2048, kLeastWeakRsaBits = 1024;

struct Kind {
  int nid;  // of the curve, or of the key
  KeyKind kind;
  std::string_view text;
};
constexpr std::array kKinds{Kind{NID_rsaEncryption, KeyKind::kRsa, "RSA"},
                            Kind{NID_rsassaPss, KeyKind::kRsa, "RSA"},
                            Kind{NID_X9_62_prime256v1, KeyKind::kEcdsaP256, "ECDSA P-256"},
                            Kind{NID_secp384r1, KeyKind::kEcdsaP384, "ECDSA P-384"},
                            Kind{NID_secp521r1, KeyKind::kEcdsaP521, "ECDSA P-521"},
                            Kind{NID_ED25519, KeyKind::kEd25519, "Ed25519"},
                            Kind{NID_ED448, KeyKind::kEd448, "Ed448"}};

const Kind* find_kind(const EVP_PKEY* key) {
  int nid = EVP_PKEY_get_base_id(key);
  if (nid == EVP_PKEY_EC) {
    std::array<char, 64> curve{};
    if (EVP_PKEY_get_group_name(key, curve.data(), curve.size(), nullptr) != 1) return nullptr;
    nid = OBJ_sn2nid(curve.data());
  }
  for (const Kind& k : kKinds)
    if (k.nid == nid) return &k;
  return nullptr;
}

}  // namespace

std::optional<KeyKind> kind_of(const EVP_PKEY* key) {
  const Kind* const found = key == nullptr ? nullptr : find_kind(key);
  return found == nullptr ? std::nullopt : std::optional(found->kind);
}

bool is_ecdsa(KeyKind kind) {
  return kind == KeyKind::kEcdsaP256 || kind == KeyKind::kEcdsaP384 || kind == KeyKind::kEcdsaP521;
}

std::string key_text(const EVP_PKEY* key) {
  if (key == nullptr) return "unknown";
  if (const Kind* const found = find_kind(key))
    return std::string(found->text) +
           (found->kind == KeyKind::kRsa ? " " + std::to_string(EVP_PKEY_get_bits(key)) : "");
  const char* const name = EVP_PKEY_get0_type_name(key);
  return std::string(name == nullptr ? "unknown" : name) + " " + std::to_string(EVP_PKEY_get_bits(key));
}

std::string key_refusal(const EVP_PKEY* key, WeakAlgorithms weak) {
  const auto kind = kind_of(key);
  if (!kind)
    return "cannot be used here (" + key_text(key) +
           "): RSA, ECDSA P-256, P-384 or P-521, Ed25519, Ed448 can";
  const int least = weak == WeakAlgorithms::kAllow ? kLeastWeakRsaBits : kLeastRsaBits;
  if (*kind == KeyKind::kRsa && EVP_PKEY_get_bits(key) < least)
    return "is too short (" + key_text(key) + "): at least " + std::to_string(least) + " bits are needed";
  return {};
}

openssl::Key load_private_key(Bytes pkcs8) {
  const unsigned char* at = pkcs8.data();
  openssl::Key key;
  if (!pkcs8.empty()) key.reset(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(pkcs8.size())));
  if (key && at != pkcs8.data() + pkcs8.size()) key.reset();
  ERR_clear_error();
  return key;
}

Result<SharedSecret> to_pkcs8(const EVP_PKEY* key) {
  const KeyInfo info(EVP_PKEY2PKCS8(key));
  ERR_clear_error();
  const int length = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr) : 0;
  if (length <= 0) return fail("the private key cannot be written as PKCS #8");
  Buffer out(static_cast<std::size_t>(length));
  unsigned char* at = out.data();
  i2d_PKCS8_PRIV_KEY_INFO(info.get(), &at);
  return SharedSecret(Secret(std::move(out)));
}

}  // namespace simplon::ike

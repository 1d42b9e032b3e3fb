// SPDX-License-Identifier: Apache-2.0
// Keys that sign: what they are and whether they are strong enough. For ike/crypto alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dp/base/result.h"
#include "ike/crypto/openssl.h"
#include "ike/pad/credentials.h"

namespace simplon::ike {

enum class KeyKind : std::uint8_t { kRsa, kEcdsaP256, kEcdsaP384, kEcdsaP521, kEd25519, kEd448 };
// None: a key that we cannot use.
std::optional<KeyKind> kind_of(const EVP_PKEY* key);
bool is_ecdsa(KeyKind kind);
// "RSA 2048", "ECDSA P-256", "Ed25519"; of one that we cannot use what OpenSSL calls it.
std::string key_text(const EVP_PKEY* key);
// Why a key must not be used, of a sentence that begins with it: "is too short: …"; empty: it may.
std::string key_refusal(const EVP_PKEY* key, WeakAlgorithms weak);
// PKCS #8 DER of one key and nothing more; null: it is none.
openssl::Key load_private_key(Bytes pkcs8);
Result<SharedSecret> to_pkcs8(const EVP_PKEY* key);

}  // namespace simplon::ike

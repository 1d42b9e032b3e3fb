// SPDX-License-Identifier: Apache-2.0
// The schemes of signatures (RFC 7427 Appendix A, RFC 8420) and the operations with them. For ike/crypto
// alone.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "ike/crypto/public_key.h"
#include "ike/crypto/signature.h"

namespace simplon::ike {

enum class SignatureKind : std::uint8_t { kPkcs1, kPss, kEcdsa, kEd25519, kEd448 };
struct SignatureScheme {
  SignatureKind kind;
  HashId hash;
};
// The schemes of AUTH method 14, each with what an AlgorithmIdentifier says.
std::span<const SignatureScheme> signature_schemes();
const SignatureScheme* find_scheme(SignatureKind kind, HashId hash);  // null: we have none such

// DER, as we write it: RSA with NULL parameters (RFC 4055 §5), all others without.
Buffer algorithm_identifier(const SignatureScheme& scheme);
// The scheme that an AlgorithmIdentifier names in any way that RFC 4055 §2.1 and §5 and RFC 5758 §3.2 allow;
// for PSS the salt is as long as the hash, and MGF1 has the same hash. Null: not one of ours.
const SignatureScheme* scheme_of(Bytes algorithm_identifier);

// Whether a key of this kind makes such signatures.
bool fits(SignatureKind signature, KeyKind key);

// Empty: OpenSSL could not.
Buffer sign(const SignatureScheme& scheme, EVP_PKEY* key, Bytes octets);
bool verify(const SignatureScheme& scheme, EVP_PKEY* key, Bytes octets, Bytes signature);

// What methods 1, 9, 10 and 11 fix (RFC 7296 §3.8, RFC 4754 §3).
struct OlderMethod {
  AuthMethod method;
  KeyKind key;
  SignatureScheme scheme;
  std::size_t half;  // octets of r and of s; 0: the signature stands as it is
};
const OlderMethod* find_older_method(AuthMethod method);
const OlderMethod* find_older_method(KeyKind key);  // null: it has none
// Between the DER of an ECDSA signature and r | s, each of `half` octets. Empty: it is malformed.
Buffer raw_of_der(Bytes der, std::size_t half);
Buffer der_of_raw(Bytes raw, std::size_t half);

}  // namespace simplon::ike

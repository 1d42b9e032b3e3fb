// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/signature_check.h"

#include "ike/crypto/signature_scheme.h"

namespace simplon::ike {
namespace {

VerifyAuthResult refused(std::string why) { return {.ok = false, .why = std::move(why), .padding = {}}; }
VerifyAuthResult wrong() { return refused("the peer's signature is wrong: it has another private key"); }
VerifyAuthResult other_key(EVP_PKEY* key) {
  return refused("the peer's signature is of another kind than its certificate's key (" + key_text(key) +
                 ")");
}

VerifyAuthResult check_older(const OlderMethod& older, Bytes signature, Bytes octets, EVP_PKEY* key,
                             WeakAlgorithms weak) {
  if (kind_of(key) != older.key) return other_key(key);
  if (older.scheme.hash == HashId::kSha1 && weak != WeakAlgorithms::kAllow)
    return refused(
        "the peer signs with SHA-1, which is weak; legacy: allow at the top of the file permits it");
  const Buffer der = der_of_raw(signature, older.half);
  if (!verify(older.scheme, key, octets, older.half != 0 ? Bytes(der) : signature)) return wrong();
  VerifyAuthResult out{.ok = true, .why = {}, .padding = {}};
  if (older.key == KeyKind::kRsa) out.padding = RsaPadding::kPkcs1;
  return out;
}

// RFC 7427 §3.
VerifyAuthResult check_digital(Bytes data, Bytes octets, EVP_PKEY* key) {
  Reader in(data);
  const Bytes identifier = in.take(in.u8());
  const Bytes signature = in.rest();
  if (!in.ok() || identifier.empty() || signature.empty()) return refused("the peer's AUTH is malformed");
  const SignatureScheme* const scheme = scheme_of(identifier);
  if (scheme == nullptr) return refused("the peer signs by an algorithm that we do not have, or a weak one");
  const auto kind = kind_of(key);
  if (!kind || !fits(scheme->kind, *kind)) return other_key(key);
  if (!verify(*scheme, key, octets, signature)) return wrong();
  VerifyAuthResult out{.ok = true, .why = {}, .padding = {}};
  if (scheme->kind == SignatureKind::kPss) out.padding = RsaPadding::kPss;
  if (scheme->kind == SignatureKind::kPkcs1) out.padding = RsaPadding::kPkcs1;
  return out;
}

}  // namespace

VerifyAuthResult check_signature(const Authentication& auth, Bytes octets, EVP_PKEY* key,
                                 WeakAlgorithms weak) {
  if (const std::string why = key_refusal(key, weak); !why.empty()) return refused("the peer's key " + why);
  if (auth.method == AuthMethod::kDigitalSignature) return check_digital(auth.data, octets, key);
  if (const OlderMethod* const older = find_older_method(auth.method))
    return check_older(*older, auth.data, octets, key, weak);
  return refused("the peer proves itself otherwise than by a signature that we know (AUTH method " +
                 std::to_string(static_cast<unsigned>(auth.method)) + ")");
}

}  // namespace simplon::ike

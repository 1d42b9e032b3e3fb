// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/signature.h"

#include <algorithm>
#include <array>

#include "ike/crypto/signature_scheme.h"
#include "ike/crypto/signing_key.h"

namespace simplon::ike {
namespace {

bool announced(const PeerSignatures& peer, HashId hash) { return std::ranges::count(peer.hashes, hash) > 0; }

// Those to try, best first: for ECDSA the one that fits the curve, then the strongest.
using Preference = std::array<HashId, 4>;
Preference preference(KeyKind key) {
  using enum HashId;
  switch (key) {
    case KeyKind::kRsa:
      return {kSha256, kSha384, kSha512, kSha512};
    case KeyKind::kEcdsaP256:
      return {kSha256, kSha512, kSha384, kSha384};
    case KeyKind::kEcdsaP384:
      return {kSha384, kSha512, kSha256, kSha256};
    case KeyKind::kEcdsaP521:
      return {kSha512, kSha384, kSha256, kSha256};
    case KeyKind::kEd25519:
    case KeyKind::kEd448:
      break;
  }
  return {kIdentity, kIdentity, kIdentity, kIdentity};
}

SignatureKind signature_kind(KeyKind key, RsaPadding padding) {
  if (key == KeyKind::kEd25519) return SignatureKind::kEd25519;
  if (key == KeyKind::kEd448) return SignatureKind::kEd448;
  if (is_ecdsa(key)) return SignatureKind::kEcdsa;
  return padding == RsaPadding::kPss ? SignatureKind::kPss : SignatureKind::kPkcs1;
}

// Null: the peer knows nothing that this key can do by RFC 7427.
const SignatureScheme* choose(const SignAuth& work, EVP_PKEY* key, KeyKind kind) {
  const bool pss_alone = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA_PSS;  // such a key does nothing else
  const RsaPadding padding =
      pss_alone ? RsaPadding::kPss : work.peer.padding.value_or(work.credential->padding);
  for (const HashId hash : preference(kind))
    if (announced(work.peer, hash)) return find_scheme(signature_kind(kind, padding), hash);
  return nullptr;
}

constexpr const char* kCannotSign = "our key cannot make this signature";

SignAuthResult failed(std::string why) { return {.auth = {}, .why = std::move(why)}; }

// RFC 7427 §3: one octet of length, the AlgorithmIdentifier, the signature.
SignAuthResult by_scheme(const SignatureScheme& scheme, EVP_PKEY* key, Bytes octets) {
  const Buffer signature = sign(scheme, key, octets), identifier = algorithm_identifier(scheme);
  if (signature.empty()) return failed(kCannotSign);
  Writer out;
  out.u8(static_cast<std::uint8_t>(identifier.size()));
  out.bytes(identifier);
  out.bytes(signature);
  return {.auth = {AuthMethod::kDigitalSignature, out.take()}, .why = {}};
}

SignAuthResult by_older_method(const SignAuth& work, EVP_PKEY* key, KeyKind kind) {
  const OlderMethod* const older = find_older_method(kind);
  if (older == nullptr)
    return failed("the peer cannot check a signature by our " + key_text(key) + " key (RFC 8420)");
  if (older->method == AuthMethod::kRsa && work.credential->weak != WeakAlgorithms::kAllow)
    return failed("the peer has SHA-1 signatures alone; legacy: allow at the top of the file permits them");
  Buffer signature = sign(older->scheme, key, work.octets);
  if (older->half != 0) signature = raw_of_der(signature, older->half);
  if (signature.empty()) return failed(kCannotSign);
  return {.auth = {older->method, std::move(signature)}, .why = {}};
}

SignAuthResult by_key_of(const SignAuth& work) {
  const auto opened = signing_key(work.credential->key.bytes());
  if (!opened) return failed(opened.error().what);
  EVP_PKEY* const key = opened->get();
  if (const std::string why = key_refusal(key, work.credential->weak); !why.empty())
    return failed("our private key " + why);
  const KeyKind kind = *kind_of(key);
  if (const SignatureScheme* const scheme = choose(work, key, kind))
    return by_scheme(*scheme, key, work.octets);
  return by_older_method(work, key, kind);
}

}  // namespace

std::vector<HashId> our_hashes() {
  return {HashId::kSha256, HashId::kSha384, HashId::kSha512, HashId::kIdentity};
}

SignAuthResult run(const SignAuth& work) {
  if (!work.credential) return failed("we have no certificate");
  SignAuthResult out = by_key_of(work);
  // A token may have been away since its key was opened.
  if (out.why == kCannotSign && reopen_token(work.credential->key.bytes())) out = by_key_of(work);
  return out;
}

}  // namespace simplon::ike

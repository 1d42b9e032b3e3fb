// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/signature_scheme.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <initializer_list>

namespace simplon::ike {
namespace {

using namespace openssl;
using Kind = SignatureKind;

constexpr std::array kSchemes{
    SignatureScheme{Kind::kPkcs1, HashId::kSha256},  SignatureScheme{Kind::kPkcs1, HashId::kSha384},
    SignatureScheme{Kind::kPkcs1, HashId::kSha512},  SignatureScheme{Kind::kPss, HashId::kSha256},
    SignatureScheme{Kind::kPss, HashId::kSha384},    SignatureScheme{Kind::kPss, HashId::kSha512},
    SignatureScheme{Kind::kEcdsa, HashId::kSha256},  SignatureScheme{Kind::kEcdsa, HashId::kSha384},
    SignatureScheme{Kind::kEcdsa, HashId::kSha512},  SignatureScheme{Kind::kEd25519, HashId::kIdentity},
    SignatureScheme{Kind::kEd448, HashId::kIdentity}};

constexpr std::array kOlderMethods{
    OlderMethod{AuthMethod::kRsa, KeyKind::kRsa, {Kind::kPkcs1, HashId::kSha1}, 0},
    OlderMethod{AuthMethod::kEcdsaP256, KeyKind::kEcdsaP256, {Kind::kEcdsa, HashId::kSha256}, 32},
    OlderMethod{AuthMethod::kEcdsaP384, KeyKind::kEcdsaP384, {Kind::kEcdsa, HashId::kSha384}, 48},
    OlderMethod{AuthMethod::kEcdsaP521, KeyKind::kEcdsaP521, {Kind::kEcdsa, HashId::kSha512}, 66}};

// What differs between the hashes.
struct Hash {
  HashId id;
  const EVP_MD* (*md)();
  std::uint8_t bytes;
  std::uint8_t oid;    // the last octet of id-sha…, 2.16.840.1.101.3.4.2.x
  std::uint8_t rsa;    // of sha…WithRSAEncryption, 1.2.840.113549.1.1.x
  std::uint8_t ecdsa;  // of ecdsa-with-SHA…, 1.2.840.10045.4.3.x
};
const std::array kHashes{
    Hash{HashId::kSha1, EVP_sha1, 20, 0, 0, 0}, Hash{HashId::kSha256, EVP_sha256, 32, 1, 11, 2},
    Hash{HashId::kSha384, EVP_sha384, 48, 2, 12, 3}, Hash{HashId::kSha512, EVP_sha512, 64, 3, 13, 4}};
const Hash* find_hash(HashId id) {
  const auto found = std::ranges::find(kHashes, id, &Hash::id);
  return found == kHashes.end() ? nullptr : &*found;
}

// DER. All that is written here is shorter than 128 octets.
constexpr std::uint8_t kInteger = 0x02, kNull = 0x05, kOid = 0x06, kSequence = 0x30, kContext = 0xa0;
Buffer der(std::uint8_t tag, std::initializer_list<Bytes> parts) {
  Buffer out{tag, 0};
  for (Bytes part : parts) out.insert(out.end(), part.begin(), part.end());
  out[1] = static_cast<std::uint8_t>(out.size() - 2);
  return out;
}
Buffer pkcs1_oid(std::uint8_t last) {
  return {kOid, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last};
}
enum class NullParameters : std::uint8_t { kAbsent, kPresent };
Buffer with_null(const Buffer& oid, NullParameters null) {
  const Buffer parameters = null == NullParameters::kPresent ? Buffer{kNull, 0} : Buffer{};
  return der(kSequence, {oid, parameters});
}

// RFC 4055 §3.1: hash, mask generation and salt's length; the trailer field is the default.
Buffer pss_identifier(const Hash& hash, NullParameters of_hash, NullParameters of_mask) {
  constexpr std::uint8_t kPssOid = 10, kMgf1Oid = 8;
  const Buffer oid{kOid, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, hash.oid};
  const Buffer mask = der(kSequence, {pkcs1_oid(kMgf1Oid), with_null(oid, of_mask)});
  const Buffer salt{kInteger, 1, hash.bytes};
  const Buffer parameters = der(kSequence, {der(kContext, {with_null(oid, of_hash)}),
                                            der(kContext | 1, {mask}), der(kContext | 2, {salt})});
  return der(kSequence, {pkcs1_oid(kPssOid), parameters});
}

// The first of the two counts for PSS's hash and for PKCS #1, the second for PSS's mask.
Buffer identifier(const SignatureScheme& scheme, NullParameters first, NullParameters second) {
  const Hash* const hash = find_hash(scheme.hash);
  switch (scheme.kind) {
    case Kind::kPkcs1:
      return with_null(pkcs1_oid(hash->rsa), first);
    case Kind::kPss:
      return pss_identifier(*hash, first, second);
    case Kind::kEcdsa:
      return der(kSequence, {Buffer{kOid, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, hash->ecdsa}});
    case Kind::kEd25519:
      return der(kSequence, {Buffer{kOid, 3, 0x2b, 0x65, 0x70}});
    case Kind::kEd448:
      return der(kSequence, {Buffer{kOid, 3, 0x2b, 0x65, 0x71}});
  }
  return {};
}

bool set_padding(const SignatureScheme& scheme, EVP_PKEY_CTX* context) {
  if (scheme.kind == Kind::kPkcs1) return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
  if (scheme.kind != Kind::kPss) return true;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, find_hash(scheme.hash)->md()) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

}  // namespace

std::span<const SignatureScheme> signature_schemes() { return kSchemes; }

const SignatureScheme* find_scheme(SignatureKind kind, HashId hash) {
  const auto found = std::ranges::find_if(
      kSchemes, [&](const SignatureScheme& s) { return s.kind == kind && s.hash == hash; });
  return found == kSchemes.end() ? nullptr : &*found;
}

Buffer algorithm_identifier(const SignatureScheme& scheme) {
  return identifier(scheme, NullParameters::kPresent, NullParameters::kPresent);
}

const SignatureScheme* scheme_of(Bytes algorithm_identifier) {
  constexpr std::array kBoth{NullParameters::kPresent, NullParameters::kAbsent};
  for (const SignatureScheme& s : kSchemes)
    for (const NullParameters first : kBoth)
      for (const NullParameters second : kBoth)
        if (std::ranges::equal(identifier(s, first, second), algorithm_identifier)) return &s;
  return nullptr;
}

bool fits(SignatureKind signature, KeyKind key) {
  switch (signature) {
    case Kind::kPkcs1:
    case Kind::kPss:
      return key == KeyKind::kRsa;
    case Kind::kEcdsa:
      return is_ecdsa(key);
    case Kind::kEd25519:
      return key == KeyKind::kEd25519;
    case Kind::kEd448:
      return key == KeyKind::kEd448;
  }
  return false;
}

Buffer sign(const SignatureScheme& scheme, EVP_PKEY* key, Bytes octets) {
  const Hash* const hash = find_hash(scheme.hash);
  const Digest digest(EVP_MD_CTX_new());
  EVP_PKEY_CTX* context = nullptr;  // of the digest
  std::size_t length = 0;
  Buffer out;
  if (digest &&
      EVP_DigestSignInit(digest.get(), &context, hash != nullptr ? hash->md() : nullptr, nullptr, key) == 1 &&
      set_padding(scheme, context) &&
      EVP_DigestSign(digest.get(), nullptr, &length, octets.data(), octets.size()) == 1) {
    out.resize(length);
    if (EVP_DigestSign(digest.get(), out.data(), &length, octets.data(), octets.size()) != 1) length = 0;
    out.resize(length);
  }
  ERR_clear_error();
  return out;
}

bool verify(const SignatureScheme& scheme, EVP_PKEY* key, Bytes octets, Bytes signature) {
  const Hash* const hash = find_hash(scheme.hash);
  const Digest digest(EVP_MD_CTX_new());
  EVP_PKEY_CTX* context = nullptr;  // of the digest
  const bool good =
      digest &&
      EVP_DigestVerifyInit(digest.get(), &context, hash != nullptr ? hash->md() : nullptr, nullptr, key) ==
          1 &&
      set_padding(scheme, context) &&
      EVP_DigestVerify(digest.get(), signature.data(), signature.size(), octets.data(), octets.size()) == 1;
  ERR_clear_error();
  return good;
}

const OlderMethod* find_older_method(AuthMethod method) {
  const auto found = std::ranges::find(kOlderMethods, method, &OlderMethod::method);
  return found == kOlderMethods.end() ? nullptr : &*found;
}

const OlderMethod* find_older_method(KeyKind key) {
  const auto found = std::ranges::find(kOlderMethods, key, &OlderMethod::key);
  return found == kOlderMethods.end() ? nullptr : &*found;
}

}  // namespace simplon::ike

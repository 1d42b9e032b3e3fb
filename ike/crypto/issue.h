// SPDX-License-Identifier: Apache-2.0
// Making what certificate.h reads (RFC 5280, RFC 2986, RFC 7292): keys, an authority, requests, certificates
// for IKE, lists of revoked ones. For tools of the operator: the gateway itself issues nothing. Pure
// functions of their arguments and of OpenSSL's random numbers; callable from any thread. Octets are DER
// where nothing else is said.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/result.h"
#include "dp/base/secret.h"
#include "ike/crypto/certificate.h"
#include "ike/message/identity.h"

namespace simplon::ike {

// ---- keys ----

enum class NewKey : std::uint8_t { kEd25519, kEcdsa256, kEcdsa384, kRsa3072, kRsa4096 };
struct NewKeyRow {
  std::string_view name;  // as typed
  NewKey key;
};
inline constexpr std::array kNewKeys{
    NewKeyRow{"ed25519", NewKey::kEd25519}, NewKeyRow{"ecdsa256", NewKey::kEcdsa256},
    NewKeyRow{"ecdsa384", NewKey::kEcdsa384}, NewKeyRow{"rsa3072", NewKey::kRsa3072},
    NewKeyRow{"rsa4096", NewKey::kRsa4096}};
Result<SharedSecret> generate_key(NewKey kind);  // PKCS #8

// The text of a PEM file (RFC 7468) with one block.
enum class PemLabel : std::uint8_t { kCertificate, kRequest, kCrl };
Result<std::string> to_pem(PemLabel label, Bytes der);
Result<Secret> private_key_pem(const SharedSecret& key);

// ---- an authority, and what it signs ----

struct Validity {
  std::int64_t from = 0, to = 0;  // seconds since 1970, both included
};
// A certificate of an authority that signs itself, "CN=name". No authority may stand below it (pathlen 0).
Result<Buffer> make_authority(const std::string& name, const SharedSecret& key, const Validity& validity);

// PKCS#10 for "CN=name" with `names`: domain names, e-mail and IP addresses, and nothing else.
Result<Buffer> make_request(const std::string& name, const std::vector<Identity>& names,
                            const SharedSecret& key);
// The one request of a file, PEM or DER.
Result<Buffer> read_request(Bytes file);

struct RequestFacts {
  std::string subject;          // for messages
  std::vector<Identity> names;  // subjectAltName
  std::string key;              // "RSA 3072"
};
// An error: it is not signed by its own key, its key is weak, it asks to be an authority, it has no name at
// all, or a name of a kind that we do not issue.
Result<RequestFacts> request_facts(Bytes request);

struct Authority {
  Buffer certificate;
  SharedSecret key;
};
// A client's certificate does not stand for a gateway where the peer looks at serverAuth (Windows, iOS).
enum class Purpose : std::uint8_t { kGateway, kClient };
struct Terms {
  Validity validity;  // it ends with the authority's at the latest
  Purpose purpose = Purpose::kGateway;
  std::string ocsp, crl;  // http addresses that the certificate names (RFC 5280 §4.2.2.1, §4.2.1.13); or none
};
// A certificate for what is requested, where request_facts() has no error. Of the request's extensions only
// subjectAltName is taken. A random serial of 16 octets. An error: the authority's certificate is none of an
// authority or not of this key, or it is not valid during all the time that is left.
Result<Buffer> issue(const Authority& authority, Bytes request, const Terms& terms);

// ---- lists of revoked ones ----

struct RevocationReason {
  std::string_view name;  // as typed
  int code;               // CRLReason (RFC 5280 §5.3.1)
};
inline constexpr std::array kRevocationReasons{
    RevocationReason{"unspecified", 0}, RevocationReason{"key-compromise", 1},
    RevocationReason{"affiliation-changed", 3}, RevocationReason{"superseded", 4},
    RevocationReason{"cessation-of-operation", 5}};
struct RevokedOne {
  std::string serial;   // as certificate_details() tells it
  std::int64_t at = 0;  // seconds since 1970
  int reason = 0;       // unspecified stands in no list (§5.3.1)
};
// `validity`: thisUpdate and nextUpdate. The list's number is thisUpdate (§5.2.3).
Result<Buffer> make_crl(const Authority& authority, const std::vector<RevokedOne>& revoked,
                        const Validity& validity);

// ---- for people ----

struct CertificateDetails {
  std::string serial;               // hexadecimal, capitals
  std::vector<std::string> usages;  // of keyUsage and extendedKeyUsage
  std::string refusal;  // why its key must not sign AUTH: "has a keyUsage …"; empty: it may (RFC 4945 §5.1.3)
};
Result<CertificateDetails> certificate_details(Bytes certificate);
// The serials of a list.
Result<std::vector<std::string>> revoked_serials(Bytes crl);

// PKCS#12: key and certificates, for a phone or a laptop. kOld: with 3DES and SHA-1, for what knows nothing
// newer.
enum class P12Form : std::uint8_t { kModern, kOld };
struct P12 {
  std::string name;  // that the device shows
  Buffer certificate;
  std::vector<Buffer> authorities;
  SharedSecret key;
};
Result<Secret> make_p12(const P12& content, const Secret& passphrase, P12Form form);

}  // namespace simplon::ike

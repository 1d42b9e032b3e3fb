// SPDX-License-Identifier: Apache-2.0
// Certificates (RFC 5280, RFC 4945): the peer's proof as a job, and what the configuration needs of files.
// OpenSSL does all of X.509; the clock that certificates are checked against is its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/result.h"
#include "ike/crypto/fetch_job.h"
#include "ike/crypto/signature.h"
#include "ike/message/payload.h"
#include "ike/pad/credentials.h"

namespace simplon::ike {

struct VerifyAuthResult {
  bool ok = false;
  std::string why;                    // when not ok: one sentence, without the peer's octets unprinted
  std::optional<RsaPadding> padding;  // of the peer's RSA signature
  // All is well but for what only these can tell: to be asked again with what was fetched. Not ok as yet.
  std::vector<Wanted> wanted = {};
};
// Whether the peer's AUTH is over `octets` by a key that `trust` lets speak for `id`: the certificate's
// subject or one of its other names is `id`, its keyUsage and extendedKeyUsage allow it (RFC 4945 §5.1.3),
// its chain ends at an authority and is valid now, no list and no OCSP response says that it is revoked. The
// lists and responses (RFC 4806) that the peer sent count beside the lists of `trust`, never instead. Of 16
// certificates, lists and responses at most; the first thing that fails is told.
struct VerifyAuth {
  using Result = VerifyAuthResult;
  Shared<Trust> trust;
  std::vector<Certificate> certificates;  // that the peer sent, its own first
  Identity id;                            // who the peer says it is
  Buffer octets;
  Authentication auth;
  std::vector<Fetched> fetched = {};  // what the last result wanted; what is there is not wanted again
};
VerifyAuthResult run(const VerifyAuth& work);

// ---- for the configuration ----

// The certificates, or the lists of revoked ones, of a file: PEM with one or several, or DER of one.
Result<std::vector<Buffer>> read_certificates(Bytes file);
Result<std::vector<Buffer>> read_crls(Bytes file);
// A private key to PKCS #8 DER. PEM (PKCS #8, encrypted or not, and the older forms) or DER. An encrypted one
// needs the passphrase.
Result<SharedSecret> read_private_key(Bytes file, Bytes passphrase);

struct CertificateFacts {
  std::vector<Identity> names;  // subject (not an empty one), DNS, e-mail and IP addresses; none with '*'
  bool authority = false;       // may sign certificates
  bool for_ike = false;         // keyUsage and extendedKeyUsage let its key sign AUTH (RFC 4945 §5.1.3)
  std::int64_t not_before = 0, not_after = 0;  // seconds since 1970
  std::string subject, issuer;                 // for messages
  std::string key;                             // "RSA 2048", "ECDSA P-256", "Ed25519"
  bool weak = false;                           // its key is too short, or another signed it with SHA-1 or MD5
};
Result<CertificateFacts> certificate_facts(Bytes certificate);
bool belongs_to(Bytes certificate, const SharedSecret& key);  // it is the certificate of this private key
// RFC 7296 §3.7: SHA-1 of the SubjectPublicKeyInfo of each, one after the other.
Buffer authorities_request(const std::vector<Buffer>& authorities);
// When a list of revoked ones is due to be renewed, none: it does not say; who issued it.
struct CrlFacts {
  std::optional<std::int64_t> next_update;
  std::string issuer;
};
Result<CrlFacts> crl_facts(Bytes crl);

}  // namespace simplon::ike

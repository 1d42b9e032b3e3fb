// SPDX-License-Identifier: Apache-2.0
// Answers of OCSP responders about one certificate (RFC 6960), fetched or sent by the peer (RFC 4806). For
// ike/crypto alone.
#pragma once

#include <openssl/ocsp.h>

#include <cstdint>
#include <string>

#include "dp/base/result.h"
#include "ike/crypto/openssl.h"
#include "ike/pad/credentials.h"

namespace simplon::ike {

namespace openssl {
using OcspBasic = Owner<OCSP_BASICRESP, OCSP_BASICRESP_free>;
}  // namespace openssl

// The inside of an OCSPResponse in DER, at most 64 KiB: it is not checked as yet. An error ends a sentence
// that begins with it: it is none, or the responder says only why it does not answer.
Result<openssl::OcspBasic> load_ocsp(Bytes der);

enum class OcspStatus : std::uint8_t { kNoAnswer, kGood, kRevoked };
struct OcspAnswer {
  OcspStatus status = OcspStatus::kNoAnswer;
  std::string why;  // then: the end of a sentence that begins with the response
};
// What it says of `certificate`. It counts when `issuer` signed it, or who has a certificate of that issuer
// for id-kp-OCSPSigning (§4.2.2.2), whose own revocation is not looked up. "Good" counts while it is valid,
// with five minutes of grace; without a nextUpdate for one hour. "Revoked" stays, as it does on a list.
OcspAnswer ocsp_answer(OCSP_BASICRESP* response, X509* certificate, X509* issuer, WeakAlgorithms weak);

// An OCSPRequest in DER: SHA-1 in its CertID, which each responder knows, and no nonce. Empty: no memory.
Buffer ocsp_request(const X509* certificate, const X509* issuer);

// It is made with a hash of less than 112 bits (SHA-1, MD5), or with one that we do not know.
bool weak_hash(const X509_ALGOR* signature);

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
// The chain from a certificate to one of the authorities (RFC 5280 §6), and whether those in it are revoked.
// For ike/crypto alone.
#pragma once

#include <string>
#include <vector>

#include "ike/crypto/fetch_job.h"
#include "ike/crypto/openssl.h"
#include "ike/pad/credentials.h"

namespace simplon::ike {

// What the peer sent beside its own certificate.
struct Sent {
  std::vector<openssl::X509Certificate> between;
  std::vector<openssl::X509Crl> crls;
  std::vector<Buffer> ocsp;  // OCSPResponse in DER (RFC 4806)
};
struct ChainVerdict {
  std::string why;  // the leaf is not believed, one sentence
  std::vector<Wanted>
      wanted;  // else: what it depends on, at most 8 that were not fetched; none: it is believed
};
// Whether `leaf` is believed. Now is OpenSSL's. As often as something is wanted, it is to be asked again with
// all that was fetched: after two times nothing is.
ChainVerdict judge_chain(X509* leaf, const Sent& sent, const Trust& trust,
                         const std::vector<Fetched>& fetched);
// The same where nothing can be fetched: why not, empty: it is.
std::string chain_refusal(X509* leaf, const Sent& sent, const Trust& trust);
// Why it is not valid now, of a sentence that begins with it; empty: it is.
std::string date_refusal(const X509* certificate);

}  // namespace simplon::ike

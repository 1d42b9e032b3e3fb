// SPDX-License-Identifier: Apache-2.0
// The chain from a certificate to one of the authorities (RFC 5280 §6), and the lists of revoked ones. For
// ike/crypto alone.
#pragma once

#include <string>
#include <vector>

#include "ike/crypto/openssl.h"
#include "ike/pad/credentials.h"

namespace simplon::ike {

// What the peer sent beside its own certificate.
struct Sent {
  std::vector<openssl::X509Certificate> between;
  std::vector<openssl::X509Crl> crls;
};
// Why `leaf` is not believed, one sentence; empty: it is. Now is OpenSSL's.
std::string chain_refusal(X509* leaf, const Sent& sent, const Trust& trust);
// Why it is not valid now, of a sentence that begins with it; empty: it is.
std::string date_refusal(const X509* certificate);

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
// Lists of revoked certificates for OpenSSL's walk along a chain (RFC 5280 §6.3). For ike/crypto alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ike/crypto/openssl.h"
#include "ike/pad/credentials.h"

namespace simplon::ike {

struct CrlStack {
  void operator()(STACK_OF(X509_CRL) * s) const { sk_X509_CRL_pop_free(s, X509_CRL_free); }
};
using Crls = std::unique_ptr<STACK_OF(X509_CRL), CrlStack>;

// Those of `trust`, then those that the peer sent. OpenSSL takes one that is valid now before one that is
// not, and then the newest. Null: no memory, or one of `trust` is malformed.
Crls lists_of(const Trust& trust, const std::vector<openssl::X509Crl>& sent);

// Makes the walk of `context` look at lists as `how` says. `how` outlives the walk.
bool check_revocation(X509_STORE_CTX* context, const Revocation& how, STACK_OF(X509_CRL) * lists);

// The end of a sentence that begins with the certificate, if the walk ended by what a list says; else none.
std::optional<std::string> revocation_text(int error, const X509* certificate);

}  // namespace simplon::ike

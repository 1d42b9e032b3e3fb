// SPDX-License-Identifier: Apache-2.0
// Lists of revoked certificates for OpenSSL's walk along a chain (RFC 5280 §6.3). For ike/crypto alone.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dp/base/result.h"
#include "ike/crypto/openssl.h"
#include "ike/pad/credentials.h"

namespace simplon::ike {

struct CrlStack {
  void operator()(STACK_OF(X509_CRL) * s) const { sk_X509_CRL_pop_free(s, X509_CRL_free); }
};
using Crls = std::unique_ptr<STACK_OF(X509_CRL), CrlStack>;

// Those of ours, in DER, then the others. OpenSSL takes one that is valid now before one that is not, and
// then the newest. Null: no memory, or one of ours is malformed.
Crls lists_of(const std::vector<Buffer>& ours, const std::vector<openssl::X509Crl>& others);

// A list that was fetched, if it is one of `issuer` itself, signed by its key; whether it is valid now, the
// walk finds out. An error ends a sentence that begins with the list.
Result<openssl::X509Crl> load_list_of(Bytes body, X509* issuer, WeakAlgorithms weak);

// Makes the walk of `context` look at lists: it ends at a certificate that one names. `unlisted` gets the
// depths of those of which there is no list that is valid now; both outlive the walk.
bool check_revocation(X509_STORE_CTX* context, std::set<int>& unlisted, STACK_OF(X509_CRL) * lists);

// The end of a sentence that begins with the certificate, if the walk ended by what a list says; else none.
std::optional<std::string> revocation_text(int error, const X509* certificate);

}  // namespace simplon::ike

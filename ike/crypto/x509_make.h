// SPDX-License-Identifier: Apache-2.0
// What certificates, requests and lists of revoked ones are made of. For ike/crypto alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dp/base/result.h"
#include "ike/crypto/openssl.h"
#include "ike/message/identity.h"

namespace simplon::ike {

struct Stack {
  void operator()(STACK_OF(X509_EXTENSION) * s) const { sk_X509_EXTENSION_pop_free(s, X509_EXTENSION_free); }
};
using Extensions = std::unique_ptr<STACK_OF(X509_EXTENSION), Stack>;
using Request = openssl::Owner<X509_REQ, X509_REQ_free>;
using Name = openssl::Owner<X509_NAME, X509_NAME_free>;
using Time = openssl::Owner<ASN1_TIME, ASN1_TIME_free>;
using Integer = openssl::Owner<ASN1_INTEGER, ASN1_INTEGER_free>;
using AlternativeNames = openssl::Owner<GENERAL_NAMES, GENERAL_NAMES_free>;

// The hash that a key signs certificates with; null where the scheme has its own (Ed25519, Ed448).
const EVP_MD* signing_hash(const EVP_PKEY* key);
Name common_name(
    const std::string& name);  // null: empty, longer than 64 characters (RFC 5280 A.1) or no UTF-8
Time time_of(std::int64_t seconds_since_1970);
Request load_request(Bytes der);  // and nothing more; null: it is none
std::string last_error();         // OpenSSL's reason, for a message; the queue is empty then

// Null: one of them is none of a domain name, an e-mail or an IP address.
AlternativeNames alternative_names(const std::vector<Identity>& names);
// An error: a name of another kind, or one with '*'.
Result<std::vector<Identity>> identities_of(const GENERAL_NAMES* names);

// `write` is i2d_…; empty: no memory.
template <class T, class Write>
Buffer der_of(const T* object, Write write) {
  const int length = write(object, nullptr);
  if (length <= 0) return {};
  Buffer out(static_cast<std::size_t>(length));
  unsigned char* at = out.data();
  write(object, &at);
  return out;
}

}  // namespace simplon::ike

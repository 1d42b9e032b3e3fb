// SPDX-License-Identifier: Apache-2.0
// Where a certificate says that it can be looked up whether it is revoked. For ike/crypto alone.
#pragma once

#include <optional>
#include <string>

#include "ike/crypto/openssl.h"

namespace simplon::ike {

// The first address that begins with http:// and is printable and of at most 512 octets; none: there is none.
// TLS would need a certificate itself, and LDAP is not spoken here.
std::optional<std::string> ocsp_url(const X509* certificate);  // RFC 5280 §4.2.2.1
// RFC 5280 §4.2.1.13: of a whole list, and of the certificate's own issuer.
std::optional<std::string> crl_url(const X509* certificate);

}  // namespace simplon::ike

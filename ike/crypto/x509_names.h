// SPDX-License-Identifier: Apache-2.0
// What a certificate says of its owner. For ike/crypto alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ike/crypto/openssl.h"
#include "ike/message/identity.h"

namespace simplon::ike {

// DER of one certificate, or of one list of revoked ones, and nothing more; null: it is none.
openssl::X509Certificate load_certificate(Bytes der);
openssl::X509Crl load_crl(Bytes der);

// Subject (not an empty one) and the DNS, e-mail and IP addresses of subjectAltName. A name with '*' is left
// out: it would be a pattern, and RFC 4945 §5.1.3.6 has none.
std::vector<Identity> names_of(const X509* certificate);
// As above, and its subjectKeyIdentifier.
bool speaks_for(X509* certificate, const Identity& id);
// Why keyUsage or extendedKeyUsage forbid AUTH with its key (RFC 4945 §5.1.3.2, §5.1.3.12), of a sentence
// that begins with it; empty: they do not.
std::string usage_refusal(X509* certificate);

// For messages, printable whatever the peer sent: the name's text; "certificate CN=…", without a subject by
// its first other name.
std::string name_text(const X509_NAME* name);
std::string certificate_text(const X509* certificate);
// "2031-02-01 00:00:00 UTC".
std::string time_text(const ASN1_TIME* time);
std::optional<std::int64_t> seconds_since_1970(const ASN1_TIME* time);  // none: it is absent or malformed

}  // namespace simplon::ike

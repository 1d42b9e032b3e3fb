// SPDX-License-Identifier: Apache-2.0
// EAP-TLS (RFC 5216; RFC 9190 with TLS 1.3): both sides prove who they are by certificates. TLS itself is
// done in jobs (ike/crypto/tls.h), one at a time.
#pragma once

#include <memory>
#include <string>

#include "ike/crypto/tls.h"
#include "ike/eap/method.h"
#include "ike/pad/credentials.h"

namespace simplon::ike {

// `identity`: whom the peer says it is. The user that is authenticated is this one where the peer's
// certificate has it as a name, else the first name of the certificate.
std::unique_ptr<EapMethod> eap_tls_server(const Shared<Credential>& ours, const Shared<Trust>& trust,
                                          std::string identity);
std::unique_ptr<EapMethod> eap_tls_client(const Shared<Credential>& ours, const Shared<Trust>& trust,
                                          TlsVersion highest);

}  // namespace simplon::ike

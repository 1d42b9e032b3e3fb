// SPDX-License-Identifier: Apache-2.0
// The EAP client: we are the initiator and are asked who we are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ike/crypto/tls.h"
#include "ike/eap/method.h"
#include "ike/pad/credentials.h"

namespace simplon::ike {

inline constexpr std::size_t kEapClientRandomBytes = 16;

struct EapClientSettings {
  std::vector<EapType> methods;   // of kTls and kMsChapV2, best first; all others are answered with a Nak
  Buffer random;                  // kEapClientRandomBytes, never used before: our challenge
  std::string identity;           // who we are: to Identity requests, and the user of MSCHAPv2
  SharedSecret password;          // MSCHAPv2: in UTF-8
  Shared<Credential> credential;  // TLS: ours
  // TLS: whom we believe. That the server is the one that was meant is for the caller to see:
  // EapAnswer::names.
  Shared<Trust> trust;
  TlsVersion highest_tls = TlsVersion::k13;  // lower for a server that does not do TLS 1.3 as RFC 9190 has it
};
std::unique_ptr<EapClient> eap_client(EapClientSettings settings);

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
// The EAP server that answers of itself, without a RADIUS server behind it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ike/eap/method.h"
#include "ike/pad/credentials.h"

namespace simplon::ike {

inline constexpr std::size_t kEapRandomBytes = 49;

// The password of a user in UTF-8; null: there is no such user. It lives as long as the call.
using PasswordOf = std::function<const SharedSecret*(std::string_view user)>;

struct EapServerSettings {
  std::vector<EapType> methods;   // of kTls and kMsChapV2, best first; the peer may ask for another of these
  Buffer random;                  // kEapRandomBytes, never used before: challenges and the first identifier
  std::string name = "simplon";   // MSCHAPv2: what we are called, not empty
  PasswordOf password;            // MSCHAPv2
  Shared<Credential> credential;  // TLS: ours
  Shared<Trust> trust;            // TLS: whom we believe
};
std::unique_ptr<EapServer> eap_server(EapServerSettings settings);

}  // namespace simplon::ike

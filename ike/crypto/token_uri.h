// SPDX-License-Identifier: Apache-2.0
// Names of private keys that never leave a token: URIs of PKCS#11 (RFC 7512), and persistent handles of a
// TPM 2. For ike/crypto alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dp/base/result.h"
#include "dp/base/secret.h"

namespace simplon::ike {

// What is not said fits every token or key.
struct TokenUri {
  std::optional<std::uint32_t> handle;  // of the TPM; then there is nothing else
  std::optional<std::string> token, manufacturer, model, serial;
  std::optional<std::string> object;  // the key's label
  std::optional<std::string> id;      // CKA_ID: octets
  std::string module_path;            // the library of the token; empty: what p11-kit knows
  std::optional<Secret> pin;
};
// Errors do not show the text: it may have a PIN.
Result<TokenUri> parse_token_uri(std::string_view text);
// The URI without its PIN, for messages.
std::string without_pin(std::string_view uri);

}  // namespace simplon::ike

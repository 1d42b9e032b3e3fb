// SPDX-License-Identifier: Apache-2.0
// Private keys that never leave a token: of PKCS#11, through libp11, and of a TPM 2, through OpenSSL's
// provider "tpm2". Opened once and kept for the process, so that a handshake costs a signature alone. All of
// this may wait for the token, and may be called by any thread.
#pragma once

#include <string_view>

#include "dp/base/result.h"
#include "dp/base/secret.h"

namespace simplon::ike {

// Whether it is the name of such a key, "pkcs11:…" or "handle:…", good or not.
bool is_token_key(std::string_view text);
// What Credential::key has: the URI, which has no PIN as yet, with the PIN; empty: none is needed.
Result<SharedSecret> token_key(std::string_view uri, Bytes pin);
// Whether the token's key is that of the certificate. An error: it cannot be opened; what to do about it.
Result<bool> token_belongs_to(Bytes certificate, const SharedSecret& key);

}  // namespace simplon::ike

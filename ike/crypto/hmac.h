// SPDX-License-Identifier: Apache-2.0
// HMAC by OpenSSL. For ike/crypto alone, whose other files give it a meaning.
#pragma once

#include <openssl/types.h>

#include "dp/base/bytes.h"

namespace simplon::ike {

// Ends the process when OpenSSL cannot: an empty HMAC would equal an empty AUTH.
Buffer hmac(const EVP_MD* md, Bytes key, Bytes data);

}  // namespace simplon::ike

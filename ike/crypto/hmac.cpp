// SPDX-License-Identifier: Apache-2.0
// OpenSSL lives here.
#include "ike/crypto/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdlib>

namespace simplon::ike {

Buffer hmac(const EVP_MD* md, Bytes key, Bytes data) {
  Buffer out(EVP_MAX_MD_SIZE);
  unsigned length = 0;
  static constexpr std::uint8_t kNothing = 0;
  const bool done = HMAC(md, key.empty() ? &kNothing : key.data(), static_cast<int>(key.size()), data.data(),
                         data.size(), out.data(), &length) != nullptr;
  if (!done || length == 0) std::abort();
  out.resize(length);
  return out;
}

}  // namespace simplon::ike

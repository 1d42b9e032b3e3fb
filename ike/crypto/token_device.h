// SPDX-License-Identifier: Apache-2.0
// What holds private keys: a library of PKCS#11 with all its tokens, or the TPM. For ike/crypto alone.
#pragma once

#include <memory>
#include <string>

#include "dp/base/result.h"
#include "ike/crypto/openssl.h"
#include "ike/crypto/token_uri.h"

namespace simplon::ike {

struct OpenedKey {
  openssl::Key key;                 // null: it cannot be opened
  OSSL_LIB_CTX* library = nullptr;  // that it works in, until close(); null: everybody's
  std::string why = {};             // then: a sentence
  bool final = false;               // then: to try again could lock the token
};
// Used by one thread at a time.
class TokenDevice {
 public:
  virtual ~TokenDevice() = default;
  virtual OpenedKey open(const TokenUri& uri) = 0;
  // The next open() begins anew. The keys of before are gone already.
  virtual void close() = 0;
};
std::unique_ptr<TokenDevice> pkcs11_device(const std::string& module_path);  // empty: p11-kit's
std::unique_ptr<TokenDevice> tpm_device();

}  // namespace simplon::ike

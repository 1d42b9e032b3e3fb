// SPDX-License-Identifier: Apache-2.0
// The private key of a credential, ready to sign, wherever it is. For ike/crypto alone.
#pragma once

#include <openssl/crypto.h>

#include <mutex>
#include <utility>

#include "dp/base/result.h"
#include "ike/crypto/openssl.h"

namespace simplon::ike {

// While it lives, no other thread uses the same library of tokens, or the TPM: not all of them can do two
// things at once. A thread has one at a time, and keeps it: OpenSSL works for it in the key's own library
// context as long.
class SigningKey {
 public:
  SigningKey(openssl::Key key, std::unique_lock<std::mutex> turn, OSSL_LIB_CTX* library)
      : turn_(std::move(turn)),
        before_(library == nullptr ? nullptr : OSSL_LIB_CTX_set0_default(library)),
        key_(std::move(key)) {}
  EVP_PKEY* get() const { return key_.get(); }

 private:
  static void go_back(OSSL_LIB_CTX* before) { OSSL_LIB_CTX_set0_default(before); }

  std::unique_lock<std::mutex> turn_;  // let go of last
  openssl::Owner<OSSL_LIB_CTX, go_back> before_;
  openssl::Key key_;
};
// `key`: as Credential::key.
Result<SigningKey> signing_key(Bytes key);
// The key failed to sign. If it is a token's, all that was opened there is closed, and the next
// signing_key() begins anew: the token may have been away. False: it is no token's. No SigningKey of this
// thread lives.
bool reopen_token(Bytes key);

}  // namespace simplon::ike

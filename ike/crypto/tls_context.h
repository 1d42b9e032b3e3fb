// SPDX-License-Identifier: Apache-2.0
// What a TLS handshake needs before it begins: versions, our certificate, how the peer's is checked. For
// ike/crypto alone.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "dp/base/result.h"
#include "ike/crypto/openssl.h"
#include "ike/crypto/tls.h"

namespace simplon::ike {

// At one address as long as a session of it lives: OpenSSL points to it.
class TlsContext {
 public:
  static Result<std::unique_ptr<TlsContext>> make(const TlsSettings& settings);
  SSL_CTX* get() const { return context_.get(); }
  // Why the peer's certificate is not believed, one sentence; empty: it is, or there was none yet.
  const std::string& refusal() const { return refusal_; }

 private:
  explicit TlsContext(const TlsSettings& settings) : settings_(settings) {}
  bool set_rules();
  bool set_certificate();
  bool set_trust();
  std::string check(X509* leaf, const STACK_OF(X509) * sent) const;

  TlsSettings settings_;
  openssl::Owner<SSL_CTX, SSL_CTX_free> context_;
  std::string refusal_;
};

}  // namespace simplon::ike

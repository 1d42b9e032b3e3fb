// SPDX-License-Identifier: Apache-2.0
// Authentication by signatures and certificates (RFC 7296 §2.15, RFC 7427, RFC 4945). Slow: both ways are
// jobs, and after the peer's there may be some that fetch whether a certificate is revoked.
#pragma once

#include "ike/auth/authenticator.h"

namespace simplon::ike {

class PublicKeyAuthenticator final : public Authenticator {
 public:
  // Either may be none, where only the other direction is asked for.
  PublicKeyAuthenticator(Shared<Credential> credential, Shared<Trust> trust)
      : credential_(std::move(credential)), trust_(std::move(trust)) {}
  Step<Result<Authentication>> sign(const AuthOctets& ours, const PeerSignatures& peer) const override;
  Step<Result<Proved>> verify(const AuthOctets& theirs, const Proof& proof) const override;

 private:
  Shared<Credential> credential_;
  Shared<Trust> trust_;
};

}  // namespace simplon::ike

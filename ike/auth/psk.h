// SPDX-License-Identifier: Apache-2.0
// Authentication by a shared key (RFC 7296 §2.15): both sides prove that they know it. Fast, so it answers at
// once.
#pragma once

#include "ike/auth/authenticator.h"

namespace simplon::ike {

class PskAuthenticator final : public Authenticator {
 public:
  explicit PskAuthenticator(SharedSecret psk) : psk_(std::move(psk)) {}
  Step<Result<Authentication>> sign(const AuthOctets& ours, const PeerSignatures& peer) const override;
  Step<Result<Proved>> verify(const AuthOctets& theirs, const Proof& proof) const override;

 private:
  SharedSecret psk_;
};

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
#include "ike/auth/authenticator.h"

#include "ike/auth/null.h"
#include "ike/auth/psk.h"
#include "ike/auth/public_key.h"

namespace simplon::ike {
namespace {

// Each end by its own method (RFC 7296 §2.15: they need not be the same).
class ConfiguredAuthenticator final : public Authenticator {
 public:
  explicit ConfiguredAuthenticator(const Peer& peer)
      : local_(of(peer.local_auth, peer)), remote_(of(peer.remote_auth, peer)) {}
  Step<Result<Authentication>> sign(const AuthOctets& ours, const PeerSignatures& peer) const override {
    return local_->sign(ours, peer);
  }
  Step<Result<Proved>> verify(const AuthOctets& theirs, const Proof& proof) const override {
    return remote_->verify(theirs, proof);
  }

 private:
  static std::unique_ptr<const Authenticator> of(AuthKind kind, const Peer& peer) {
    switch (kind) {
      case AuthKind::kPsk:
        break;
      case AuthKind::kEap:  // in exchanges of its own (ike/exchange/eap_auth.h): AUTH by nothing we know
        return std::make_unique<PskAuthenticator>(SharedSecret());
      case AuthKind::kNull:
        return std::make_unique<NullAuthenticator>();
      case AuthKind::kPubkey:
        return std::make_unique<PublicKeyAuthenticator>(peer.credential, peer.trust);
    }
    return std::make_unique<PskAuthenticator>(peer.psk);
  }
  std::unique_ptr<const Authenticator> local_, remote_;
};

}  // namespace

std::unique_ptr<const Authenticator> configured_authenticator(const Peer& peer) {
  return std::make_unique<ConfiguredAuthenticator>(peer);
}

}  // namespace simplon::ike

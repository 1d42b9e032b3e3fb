// SPDX-License-Identifier: Apache-2.0
#include "ike/auth/psk.h"

namespace simplon::ike {
namespace {

Buffer over(const AuthOctets& octets, const SharedSecret& psk) {
  return psk_auth(octets.keys, octets.signer_is_initiator, psk.bytes(), octets.message, octets.nonce,
                  octets.id_body);
}

}  // namespace

Step<Authentication> PskAuthenticator::sign(const AuthOctets& ours) const {
  return Authentication{.method = AuthMethod::kSharedKey, .data = over(ours, psk_)};
}

Step<bool> PskAuthenticator::verify(const AuthOctets& theirs, const Authentication& auth) const {
  return auth.method == AuthMethod::kSharedKey && equal_in_constant_time(over(theirs, psk_), auth.data);
}

std::unique_ptr<const Authenticator> psk_authenticator(const Peer& peer) {
  return std::make_unique<PskAuthenticator>(peer.psk);
}

}  // namespace simplon::ike

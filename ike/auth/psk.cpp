// SPDX-License-Identifier: Apache-2.0
#include "ike/auth/psk.h"

namespace simplon::ike {
namespace {

Buffer over(const AuthOctets& octets, const SharedSecret& psk) {
  return psk_auth(octets.keys, octets.signer_is_initiator, psk.bytes(), octets.message, octets.nonce,
                  octets.id_body);
}

}  // namespace

Step<Result<Authentication>> PskAuthenticator::sign(const AuthOctets& ours,
                                                    const PeerSignatures& /*peer*/) const {
  if (psk_.empty()) return Result<Authentication>(fail("there is no shared key"));
  return Result<Authentication>({.method = AuthMethod::kSharedKey, .data = over(ours, psk_)});
}

Step<Result<Proved>> PskAuthenticator::verify(const AuthOctets& theirs, const Proof& proof) const {
  if (proof.auth.method != AuthMethod::kSharedKey)
    return Result<Proved>(
        fail("proves itself by " + name(proof.auth.method) + ", and a shared key is configured"));
  if (psk_.empty() || !equal_in_constant_time(over(theirs, psk_), proof.auth.data))
    return Result<Proved>(fail("does not know the shared key"));
  return Result<Proved>(Proved{});
}

}  // namespace simplon::ike

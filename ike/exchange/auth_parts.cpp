// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/auth_parts.h"

namespace simplon::ike {

AuthOctets octets(const IkeSa& sa, bool signer_is_initiator, Bytes id_body) {
  const Handshake& h = *sa.handshake();
  return {.keys = sa.keys(),
          .signer_is_initiator = signer_is_initiator,
          .message = signer_is_initiator ? h.init_request : h.init_response,
          .nonce = signer_is_initiator ? h.nr : h.ni,
          .id_body = id_body};
}

Step<Result<Authentication>> sign(const IkeSa& sa) {
  const Buffer id = id_body(sa.local_id());
  return sa.context().authenticator_for(sa.peer())->sign(octets(sa, sa.initiator(), id),
                                                         sa.handshake()->signatures);
}

void prove(const IkeSa& sa, const Authentication& auth, PayloadWriter& out) {
  const Peer& peer = sa.peer();
  if (peer.local_auth == AuthKind::kPubkey && peer.credential)
    for (const Buffer& certificate : peer.credential->chain)
      out.certificate(PayloadType::kCert, CertEncoding::kX509, certificate);
  out.auth(auth.data, auth.method);
}

// Not everybody passes over a CERTREQ that is unknown there: only who may not do without one asks.
bool wants_ocsp(const Trust& trust) { return trust.fetch.ocsp && trust.revocation == Revocation::kStrict; }

std::string reason(const Payloads& p, const char* otherwise) {
  const Notify* n = p.error();
  return n != nullptr ? name(n->type) : std::string(otherwise);
}

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
// What both sides of EAP share. For ike/exchange alone.
#pragma once

#include <vector>

#include "ike/eap/packet.h"
#include "ike/exchange/auth_parts.h"

namespace simplon::ike {

inline std::vector<EapType> eap_types(const EapSettings& settings) {
  std::vector<EapType> out;
  out.reserve(settings.methods.size());
  for (const EapKind kind : settings.methods)
    out.push_back(kind == EapKind::kTls ? EapType::kTls : EapType::kMsChapV2);
  return out;
}

// AUTH by the key that EAP made (RFC 7296 §2.16).
inline Buffer auth_by_msk(const IkeSa& sa, bool signer_is_initiator, Bytes id_body) {
  const AuthOctets o = octets(sa, signer_is_initiator, id_body);
  return psk_auth(o.keys, signer_is_initiator, sa.handshake()->eap->msk.bytes(), o.message, o.nonce, id_body);
}
inline bool proved_by_msk(const IkeSa& sa, bool signer_is_initiator, Bytes id_body, const Payloads& p) {
  return p.auth && p.auth->method == AuthMethod::kSharedKey && !sa.handshake()->eap->msk.empty() &&
         equal_in_constant_time(auth_by_msk(sa, signer_is_initiator, id_body), p.auth->data);
}

}  // namespace simplon::ike

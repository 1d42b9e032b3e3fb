// SPDX-License-Identifier: Apache-2.0
// Which ways to prove who one is either end takes (RFC 9593, SUPPORTED_AUTH_METHODS). The responder announces
// it in IKE_SA_INIT, where certificates are among them: there alone is something to choose. The initiator, of
// a responder that did so, in IKE_AUTH. What the peer announces narrows our choice of a signature's padding
// and hash. An empty list, which promises one in IKE_INTERMEDIATE, says nothing to us.
#pragma once

#include "ike/feature/feature.h"

namespace simplon::ike {

void offer_auth_methods(const IkeSa& sa, MessageKind kind, PayloadWriter& out);
void accept_auth_methods(IkeSa& sa, MessageKind kind, const Payloads& payloads);
// As responder, of the request of IKE_AUTH: before we sign, which is before features accept it.
void note_auth_methods(IkeSa& sa, const Payloads& payloads);

}  // namespace simplon::ike

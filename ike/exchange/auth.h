// SPDX-License-Identifier: Apache-2.0
// IKE_AUTH (RFC 7296 §1.2, §2.15, §2.21.2) and the child that comes with it, as both sides.
//
// Proving who we are and checking the peer may each need slow work (ike/auth/authenticator.h): the exchange
// goes on when it is done. Meanwhile the request of the peer counts as being handled and ours is not sent, or
// answered but not yet believed; an IKE SA that ends in the meantime is not there any more for the result.
#pragma once

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

void begin_auth(IkeSa& sa, Now now);  // as initiator: IKE_SA_INIT is done
void auth_request(IkeSa& sa, const Payloads& payloads, Now now);

}  // namespace simplon::ike

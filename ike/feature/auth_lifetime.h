// SPDX-License-Identifier: Apache-2.0
// AUTH_LIFETIME (RFC 4478): the responder of IKE_AUTH says there, or later in INFORMATIONAL, within which
// time the initiator has to reauthenticate.
#pragma once

#include "ike/feature/feature.h"

namespace simplon::ike {

void offer_auth_lifetime(const IkeSa& sa, MessageKind kind, PayloadWriter& out);
void accept_auth_lifetime(IkeSa& sa, MessageKind kind, const Payloads& payloads);

}  // namespace simplon::ike

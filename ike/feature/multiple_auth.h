// SPDX-License-Identifier: Apache-2.0
// Authentication in two rounds (RFC 4739): after its certificate or its shared key the initiator proves
// itself by EAP as well (Peer::local_then_eap, remote_then_eap). Here is what says so; the rounds are in
// ike/exchange.
#pragma once

#include "ike/feature/feature.h"

namespace simplon::ike {

void offer_multiple_auth(const IkeSa& sa, MessageKind kind, PayloadWriter& out);
void accept_multiple_auth(IkeSa& sa, MessageKind kind, const Payloads& payloads);

}  // namespace simplon::ike

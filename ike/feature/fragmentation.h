// SPDX-License-Identifier: Apache-2.0
// IKE fragmentation (RFC 7383 §2.3): in IKE_SA_INIT both ends say that they understand messages in fragments;
// the responder only if the initiator did. What then travels so: IkeSa::protect() and Reassembly.
#pragma once

#include "ike/feature/feature.h"

namespace simplon::ike {

void offer_fragmentation(const IkeSa& sa, MessageKind kind, PayloadWriter& out);
void accept_fragmentation(IkeSa& sa, MessageKind kind, const Payloads& payloads);

}  // namespace simplon::ike

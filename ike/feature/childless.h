// SPDX-License-Identifier: Apache-2.0
// Childless initiation (RFC 6023): a responder says in IKE_SA_INIT that IKE_AUTH need not ask for a child.
#pragma once

#include "ike/feature/feature.h"

namespace simplon::ike {

void offer_childless(const IkeSa& sa, MessageKind kind, PayloadWriter& out);
void accept_childless(IkeSa& sa, MessageKind kind, const Payloads& payloads);

}  // namespace simplon::ike

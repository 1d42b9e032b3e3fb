// SPDX-License-Identifier: Apache-2.0
// RFC 5685 §3, §5: in IKE_SA_INIT the initiator says that it understands REDIRECT, or which gateway has
// redirected it. What a REDIRECT then does: ike/exchange/redirect.h.
#pragma once

#include "ike/feature/feature.h"

namespace simplon::ike {

void offer_redirect_support(const IkeSa& sa, MessageKind kind, PayloadWriter& out);
void accept_redirect_support(IkeSa& sa, MessageKind kind, const Payloads& payloads);

}  // namespace simplon::ike

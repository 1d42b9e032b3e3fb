// SPDX-License-Identifier: Apache-2.0
// CREATE_CHILD_SA as responder (RFC 7296 §1.3, §2.8, §2.9, §2.17, §2.25), and the child that the peer asks
// for in IKE_AUTH.
#pragma once

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

void create_child_request(IkeSa& sa, const Payloads& payloads, Now now);
// Installs the child of the request, or says in `out` why not; the payloads go with the response to IKE_AUTH.
void answer_first_child(IkeSa& sa, const Payloads& payloads, PayloadWriter& out, Now now);

// Whether the peer's key exchange is of this group and length: an invalid one costs no Diffie-Hellman. If
// it is not, the request is answered. `what`: for the log.
bool key_exchange_fits(IkeSa& sa, const Payloads& payloads, DhGroup group, const std::string& what);
void refuse_public_value(IkeSa& sa, const std::string& what);

}  // namespace simplon::ike

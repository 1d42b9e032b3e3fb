// SPDX-License-Identifier: Apache-2.0
// Rekeying the IKE SA (RFC 7296 §1.3.2, §2.18) in a CREATE_CHILD_SA exchange: a successor takes the children
// over, the old one is deleted by whoever began the rekey.
#pragma once

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

void run(IkeSa& sa, const RekeyIke& task, Now now);
void offer_ike(const IkeSa& sa, const Attempt& attempt, Bytes public_value, PayloadWriter& out);
void complete_ike(IkeSa& sa, const Payloads& payloads, Bytes shared, Now now);
void ike_rekey_request(IkeSa& sa, const Payloads& payloads);

}  // namespace simplon::ike

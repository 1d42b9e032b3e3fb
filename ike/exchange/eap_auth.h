// SPDX-License-Identifier: Apache-2.0
// IKE_AUTH with an initiator that proves itself by EAP (RFC 7296 §2.16), as both sides: the responder proves
// itself as ever, or by EAP alone where the method does it (RFC 5998); EAP goes on in more rounds of
// IKE_AUTH; at last both prove by the key that EAP made that they are the ones who spoke.
//
// The two ends of EAP are in ike/eap; their slow work is waited for as in auth.h. An initiator that goes on
// in another way than it may is refused, and its IKE SA ends.
#pragma once

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

// As responder. The first request of IKE_AUTH, which has no AUTH payload; then all others.
void begin_eap_as_responder(IkeSa& sa, const Payloads& first, Now now);
void eap_request(IkeSa& sa, const Payloads& p, Now now);
// The initiator ends it by an INFORMATIONAL exchange (§2.21.2), mostly since it was told that EAP has failed.
void eap_given_up(IkeSa& sa, Now now);

// Where Peer::remote_then_eap has it (RFC 4739): the initiator has proved itself by `first`, and `out` is our
// answer. Its requests go to eap_request(), the first of them with another IDi.
void begin_second_round_as_responder(IkeSa& sa, const Payloads& first, const PayloadWriter& out, Now now);

// As initiator. What the first request of IKE_AUTH has in place of an AUTH payload; then each response.
void begin_eap_as_initiator(IkeSa& sa, PayloadWriter& out);
void eap_response(IkeSa& sa, const Payloads& p, Now now);
// Where Peer::local_then_eap has it: the responder has proved itself by `p`.
void begin_second_round_as_initiator(IkeSa& sa, const Payloads& p, Now now);

}  // namespace simplon::ike

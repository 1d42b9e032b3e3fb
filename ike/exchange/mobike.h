// SPDX-License-Identifier: Apache-2.0
// The INFORMATIONAL exchanges of MOBIKE (RFC 4555 §3.5, §3.6, §3.7, §3.9), as both sides.
//
// The first initiator alone says between which addresses all goes. The responder takes them from the header
// of the request, moves at once, and then asks there whether it is heard (COOKIE2); without an answer the IKE
// SA ends as with any request. Addresses stay of one family: the data path does not take an SA to the other.
#pragma once

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

void run(IkeSa& sa, const UpdateAddresses& task, Now now);
void run(IkeSa& sa, const CheckAddress& task, Now now);
void run(IkeSa& sa, const TellAddresses& task, Now now);
// The response to it.
void done(IkeSa& sa, const UpdateAddresses& task, const Payloads& response, Now now);
void done(IkeSa& sa, const CheckAddress& task, const Payloads& response, Now now);
// Whether the peer forbids NATs (NO_NATS_ALLOWED, also in IKE_AUTH), and the request that is being answered
// has met one. Logs it.
bool meets_forbidden_nat(const IkeSa& sa, const Payloads& request);
// As far as a request of the peer is about addresses: moves the IKE SA, and adds what the response says of
// it.
void answer_addresses(IkeSa& sa, const Payloads& request, PayloadWriter& response, Now now);

}  // namespace simplon::ike

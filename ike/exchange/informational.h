// SPDX-License-Identifier: Apache-2.0
// INFORMATIONAL (RFC 7296 §1.4): deletes and liveness checks, as both sides.
#pragma once

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

void run(IkeSa& sa, const DeleteChild& task, Now now);
void run(IkeSa& sa, const DeleteUnmade& task, Now now);
void run(IkeSa& sa, const TellSelectors& task, Now now);
void run(IkeSa& sa, const DeleteIke& task, Now now);
void run(IkeSa& sa, const Liveness& task, Now now);
// What is done with the response to the request that carries this task out.
OnResponse informational_response(const Task& task);
void informational_request(IkeSa& sa, const Payloads& payloads, Now now);

}  // namespace simplon::ike

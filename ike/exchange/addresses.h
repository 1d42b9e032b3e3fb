// SPDX-License-Identifier: Apache-2.0
// The configuration payload of IKE_AUTH (RFC 7296 §2.19, §3.15; RFC 8598): an initiator gets its addresses
// inside of the network, as both sides. They become the dynamic side of its children (Path::inner_local,
// inner_remote).
#pragma once

#include <optional>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

// As responder: takes addresses of the connection's pools for the initiator and adds the answer to its
// request. An error: it gets no child because of it; the IKE SA stays.
std::optional<NotifyType> answer_configuration(IkeSa& sa, const Payloads& request, PayloadWriter& out);

// As initiator: asks for what the connection wants.
void request_configuration(IkeSa& sa, PayloadWriter& out);
// The answer; an error: what we asked for we did not get.
Result<void> accept_configuration(IkeSa& sa, const Payloads& response);

}  // namespace simplon::ike

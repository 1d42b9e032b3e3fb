// SPDX-License-Identifier: Apache-2.0
// USE_AGGFRAG (RFC 9347 §5.1): both ends say it of a child, or it is one of plain ESP.
#pragma once

#include <optional>

#include "ike/message/payload.h"
#include "ike/message/payload_writer.h"
#include "ike/sa/child.h"

namespace simplon::ike {

// As the configuration of the child has it: nothing, where that is off.
void offer_aggfrag(const ChildConfig& config, PayloadWriter& out);
// What the peer says of it, in its request or in its response to ours; none: the child is one of plain ESP.
// The error says why there is no child then.
Result<std::optional<AggfragFlags>> agreed_aggfrag(const ChildConfig& config, const Payloads& payloads);

}  // namespace simplon::ike

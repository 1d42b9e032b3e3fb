// SPDX-License-Identifier: Apache-2.0
// The cold path of an SA's limits (dp/sa/limits.h): a packet reached a soft or hard limit, or the last
// sequence number. Tells the control thread once, and sets the number at which to ask again.
#pragma once

#include "dp/sa/inbound.h"
#include "dp/sa/outbound.h"
#include "dp/worker/control_channel.h"

namespace simplon::dp {

// False: the SA has expired, the packet must not pass.
bool within_limits(OutboundSa& sa, ControlChannel& control);
bool within_limits(InboundSa& sa, ControlChannel& control);

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// The cold path of an SA's counters (dp/sa/limits.h): a packet reached a soft or hard limit, or the last
// sequence number. Tells the control thread once, and sets the number at which to ask again. Or the SA has
// come to where its lease is to be raised or its window's top to be published (dp/sa/lease.h). Or the control
// thread tripped the limit, since the peer has moved: then the SA takes what was left for it
// (OutboundSa::moved, InboundSa::moved), between two packets of its own.
#pragma once

#include "dp/sa/inbound.h"
#include "dp/sa/outbound.h"
#include "dp/worker/control_channel.h"

namespace simplon::dp {

// False: the SA has expired, the packet must not pass.
bool within_limits(OutboundSa& sa, ControlChannel& control);
bool within_limits(InboundSa& sa, ControlChannel& control);

}  // namespace simplon::dp

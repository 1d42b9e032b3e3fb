// SPDX-License-Identifier: Apache-2.0
// TCP across a tunnel: the SYNs of both directions offer no larger segment than the tunnel's path takes, so
// that neither end has to learn it by losing packets (RFC 4459 §3.2 tells what else there is). Cold: once for
// a SYN.
#pragma once

#include "dp/tables/tables.h"
#include "dp/worker/burst.h"

namespace simplon::dp {

// `packet.headers.syn` is set. A packet into an SA, the one in `slot`, is measured by that SA; one out of an
// SA by the one that its answers will take. Null: it enters none.
void clamp_mss_of(const PacketInfo& packet, const OutboundSlot* slot, const Tables& tables);

}  // namespace simplon::dp

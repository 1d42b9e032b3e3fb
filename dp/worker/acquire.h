// SPDX-License-Identifier: Apache-2.0
// A packet that wants an SA which is not there (RFC 4301 §4.4.1). The control thread tells IKE of it.
#pragma once

#include "dp/base/policy_spec.h"
#include "dp/worker/burst.h"
#include "dp/worker/control_channel.h"
#include "dp/worker/rate_limiter.h"

namespace simplon::dp {

// Packets of one policy may need several SAs, so each eighth of its flows may ask once a second (`limit`).
void acquire(const PacketInfo& packet, PolicyId policy, ControlChannel& control, RateLimiter& limit);

}  // namespace simplon::dp

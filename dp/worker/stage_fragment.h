// SPDX-License-Identifier: Apache-2.0
// Packets that are too large for their SA (RFC 4301 §8): refused, or fragmented before or after they are
// protected. The worker that owns the SA; cold.
#pragma once

#include "dp/crypto/crypto.h"
#include "dp/tables/tables.h"
#include "dp/worker/burst.h"
#include "dp/worker/stage_encapsulate.h"

namespace simplon::dp {

// Takes burst.fragment, one packet after the other, each to its end; what may not be fragmented goes to
// burst.refuse. `pieces` is a burst for the stage's own use.
void fragment(Burst& burst, Burst& pieces, const Tables& tables, Crypto& crypto,
              const EncapsulateOutputs& out);

}  // namespace simplon::dp

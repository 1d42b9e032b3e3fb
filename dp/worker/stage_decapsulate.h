// SPDX-License-Identifier: Apache-2.0
// From ESP to clear (RFC 4303 §3.4), by the worker that owns the SA.
#pragma once

#include "dp/crypto/crypto.h"
#include "dp/tables/tables.h"
#include "dp/worker/aggfrag.h"
#include "dp/worker/audit.h"
#include "dp/worker/burst.h"
#include "dp/worker/control_channel.h"
#include "dp/worker/counters.h"
#include "dp/worker/mailboxes.h"
#include "dp/worker/stage_clock.h"

namespace simplon::dp {

struct DecapsulateOutputs {
  Mailboxes& mailboxes;     // packets of another worker's SA
  ControlChannel& control;  // limits that were reached, peers that have moved
  WorkerCounters& counters;
  Audit& audit;
  Aggfrag& aggfrag;  // payloads
};

// Takes burst.decapsulate. What was decrypted goes to burst.classify, with what it is by then in
// burst.packets; so does, as it is, ESP in transit to somebody else. Writes the inbound SAs: window,
// counters.
void decapsulate(Burst& burst, const Tables& tables, Crypto& crypto, const DecapsulateOutputs& out,
                 StageClock* clock);

}  // namespace simplon::dp

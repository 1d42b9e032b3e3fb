// SPDX-License-Identifier: Apache-2.0
// From clear to ESP (RFC 4303 §3.3) and to the next hop of the outer packet, by the worker that owns the SA.
#pragma once

#include "dp/crypto/crypto.h"
#include "dp/tables/tables.h"
#include "dp/worker/aggfrag.h"
#include "dp/worker/audit.h"
#include "dp/worker/burst.h"
#include "dp/worker/control_channel.h"
#include "dp/worker/counters.h"
#include "dp/worker/mailboxes.h"
#include "dp/worker/neighbour_queue.h"
#include "dp/worker/rate_limiter.h"
#include "dp/worker/stage_clock.h"

namespace simplon::dp {

struct EncapsulateOutputs {
  NeighbourQueue& neighbours;  // ESP
  Mailboxes& mailboxes;        // packets of another worker's SA
  ControlChannel& control;     // acquires, limits that were reached
  RateLimiter& acquires;       // by policy
  WorkerCounters& counters;
  rte_mempool* buffers;  // for fragments
  Audit& audit;          // of an SA without a sequence number
  Aggfrag& aggfrag;      // packets of SAs of AGGFRAG
};

// Takes burst.encapsulate; what is too large for its SA goes to burst.fragment, and whose TTL has ended to
// burst.refuse; of an SA of AGGFRAG it waits for a payload. Writes the outbound SAs: sequence numbers,
// counters, the route of the outer packet.
void encapsulate(Burst& burst, const Tables& tables, Crypto& crypto, const EncapsulateOutputs& out,
                 StageClock* clock);

// Payloads of AGGFRAG, all that burst.packets has, each in the place of an IP packet. `sa` is ours.
void encapsulate_payloads(Burst& burst, OutboundSa& sa, const Tables& tables, Crypto& crypto,
                          const EncapsulateOutputs& out);

// One packet, though its outer packet does not fit into the path: that leaves in fragments (RFC 4301 §8,
// appendix D; RFC 2473 §7.2). `sa` is ours. Cold.
void encapsulate_whole(PacketIndex index, OutboundSa& sa, Burst& burst, const Tables& tables, Crypto& crypto,
                       const EncapsulateOutputs& out);

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// AGGFRAG (RFC 9347), what follows from what waits: packets that came out of payloads go their way, and
// payloads are made and leave. The worker that owns the SAs; behind its other stages.
#pragma once

#include "dp/crypto/crypto.h"
#include "dp/tables/tables.h"
#include "dp/worker/aggfrag.h"
#include "dp/worker/audit.h"
#include "dp/worker/burst.h"
#include "dp/worker/stage_encapsulate.h"

namespace simplon::dp {

struct UnpackedOutputs {
  WorkerCounters& counters;
  Audit& audit;
};

// From the packet `at` on, as many as a burst has room for: each is checked against the selectors of its SA,
// as any that was decrypted (RFC 4301 §5.2). They go to burst.classify, or burst.reassemble. The first that
// had no room.
std::size_t sort_unpacked(Burst& burst, const std::vector<UnpackedPacket>& packets, std::size_t at,
                          const Tables& tables, const UnpackedOutputs& out);

// Makes payloads of what waits for this SA, at most a burst of them, and sends them. `most`: so many, each
// filled up where the SA has padding; none: as many as the packets take. How many; then the burst may have
// packets for the SA over this one.
unsigned send_payloads(AggfragOut& aggfrag, unsigned most, Burst& burst, const Tables& tables, Crypto& crypto,
                       const EncapsulateOutputs& out);
inline constexpr unsigned kAsPacketsTake = 0;
inline constexpr unsigned kReport = ~0u;  // one, though nothing waits: for what it tells the peer

// An SA that sends at a rate is due: what leaves now, and when it is due again.
void send_due(AggfragOut& aggfrag, std::uint64_t now, Burst& burst, const Tables& tables, Crypto& crypto,
              const EncapsulateOutputs& out);

}  // namespace simplon::dp

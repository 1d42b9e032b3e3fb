// SPDX-License-Identifier: Apache-2.0
// What becomes of a clear packet: the SPD's and the routes' decision, remembered per flow, and what follows
// from it (RFC 4301 §5.1, §5.2).
#pragma once

#include "dp/tables/flow_cache.h"
#include "dp/tables/tables.h"
#include "dp/worker/burst.h"
#include "dp/worker/control_channel.h"
#include "dp/worker/counters.h"
#include "dp/worker/neighbour_queue.h"
#include "dp/worker/path_mtu_notices.h"
#include "dp/worker/rate_limiter.h"
#include "dp/worker/stage_clock.h"
#include "dp/worker/transmit.h"

namespace simplon::dp {

struct FlowCaches {
  FlowCache<FlowKey4> v4;
  FlowCache<FlowKey6> v6;
};

struct ClassifyOutputs {
  NeighbourQueue& neighbours;  // forwarded
  Transmit& transmit;          // the kernel's own packets, bypassed
  ControlChannel& control;     // for the kernel
  PathMtuNotices& path_mtus;   // ICMP about ESP of ours
  WorkerCounters& counters;
  rte_mempool* buffers;   // for fragments
  bool tell_prohibited;   // what the policies discard goes to burst.refuse too
  RateLimiter& acquires;  // for classes of traffic, by policy
};

// Takes burst.classify; what a PROTECT policy covers goes to burst.encapsulate, and what cannot be forwarded
// to burst.refuse; a fragment about which the policies cannot say without its ports, to burst.reassemble.
// Reads and fills `flows`.
void classify(Burst& burst, const Tables& tables, FlowCaches& flows, const ClassifyOutputs& out,
              StageClock* clock);

}  // namespace simplon::dp

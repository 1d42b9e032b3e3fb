// SPDX-License-Identifier: Apache-2.0
// What a worker counts. Written by its worker only; the control thread reads at any time and sums. No packet
// ends without a count:
//   received + fragments + icmp_errors
//     = transmitted + punted + handed_over + dropped (of all reasons) + reassembled + waiting
// over all workers, since frames that a worker sends through another's queue are that one's `transmitted`.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <vector>

#include "dp/base/counter.h"
#include "dp/packet/drop.h"
#include "dp/tables/hits.h"

namespace simplon::dp {

// What a worker counts for a port whose device does not: a VLAN has a part of what its device counts. Frames
// without their tags.
struct alignas(64) PortCounters {
  Counter rx_packets, rx_bytes, tx_packets, tx_bytes;
};

struct alignas(64) WorkerCounters {
  Counter received, transmitted, encrypted, decrypted, forwarded, punted, handed_over;
  // Fragments that are part of a whole datagram now, one of each datagram not counted; packets that are in
  // payloads of AGGFRAG now, and payloads that were opened.
  Counter reassembled;
  // Packets that came to be here: of a fragmented one all pieces but the first, payloads of AGGFRAG and what
  // was in them, and ICMP errors.
  Counter fragments, icmp_errors;
  Counter joined;  // packets that came in several buffers each, and are in one now
  // Packets that are here now: for their neighbour, for the rest of their datagram, for their payload to
  // leave, or for the payload before them.
  Counter waiting;
  Counter turns, idle_turns;
  std::array<Counter, kDropReasons> dropped{};
  std::vector<PortCounters> ports;  // by PortIndex
  Counter dummies;  // packets that were made to hide traffic, part of `received` (RFC 4303 §2.6)
  Hits hits;
};

// The end of a packet: counts the reason and frees the buffer.
void drop(rte_mbuf* m, Drop reason, WorkerCounters& counters);

}  // namespace simplon::dp

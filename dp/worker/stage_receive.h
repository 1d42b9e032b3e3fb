// SPDX-License-Identifier: Apache-2.0
// From frames to packets: checks the Ethernet and IP headers, and sorts each packet to the stage that it
// waits for. What is no IP is for the kernel, or is dropped.
#pragma once

#include <rte_mbuf.h>

#include <span>

#include "dp/packet/vlan.h"
#include "dp/tables/tables.h"
#include "dp/worker/burst.h"
#include "dp/worker/control_channel.h"
#include "dp/worker/counters.h"
#include "dp/worker/transmit.h"

namespace simplon::dp {

using Frames = std::span<rte_mbuf* const>;  // at most kBurst

struct ReceiveOutputs {
  Transmit& transmit;       // frames that the kernel made
  ControlChannel& control;  // ARP
  WorkerCounters& counters;
  const VlanTable& vlans;  // which port a tagged frame belongs to
};

// Each writes burst.packets, burst.decapsulate, burst.classify and burst.reassemble.

// From a queue of this port.
void receive(Frames frames, PortIndex port, Side side, const Tables& tables, Burst& burst,
             const ReceiveOutputs& out);
// What the kernel wrote to a TAP; mbuf->port is the TAP's port.
void receive_injected(Frames frames, const Tables& tables, Burst& burst, const ReceiveOutputs& out);
// What other workers handed over (Mailboxes).
void receive_handed_over(Frames frames, const Tables& tables, Burst& burst, const ReceiveOutputs& out);

// A packet of the burst whose headers are known goes to the stage that it waits for.
void sort(PacketIndex index, const Tables& tables, Burst& burst, WorkerCounters& counters);

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// A packet for the kernel, as a whole frame for the TAP of a port, or bare for a tunnel interface.
#pragma once

#include "dp/tables/tables.h"
#include "dp/worker/burst.h"
#include "dp/worker/control_channel.h"

namespace simplon::dp {

struct PuntOutputs {
  ControlChannel& control;
  WorkerCounters& counters;
};

// Take the packet. Without a class: IKE and neighbour discovery come first.
void punt_ip(const PacketInfo& packet, PortIndex port, PuntClass c, const Tables& tables,
             const PuntOutputs& out);
void punt_ip(const PacketInfo& packet, PortIndex port, const Tables& tables, const PuntOutputs& out);

}  // namespace simplon::dp

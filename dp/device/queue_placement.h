// SPDX-License-Identifier: Apache-2.0
// Which worker receives from which queue of a port, and which sends by which: those of the port's own NUMA
// node first. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace simplon::dp {

inline constexpr int kAnyNode = -1;  // a virtual device; a machine that does not tell

struct PortQueues {
  int node = kAnyNode;
  std::uint16_t rx = 0, tx = 0;
};

// Of one port.
struct QueuePlacement {
  std::vector<unsigned> receivers;  // by receive queue: the worker that polls it
  std::vector<unsigned> senders;    // by send queue: the worker that has it for itself
  bool local = true;                // the port's node has a worker

  // The queue that this worker sends by; none: it has to ask another (sender_for).
  std::optional<std::uint16_t> queue_of(unsigned worker) const;
  unsigned sender_for(unsigned worker) const { return senders[worker % senders.size()]; }
};

// `port` is the place in the configuration: ports of one queue each spread over the workers. `nodes` by
// worker, at least one.
QueuePlacement place_queues(std::size_t port, const PortQueues& queues, const std::vector<int>& nodes);

}  // namespace simplon::dp

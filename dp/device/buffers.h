// SPDX-License-Identifier: Apache-2.0
// The packet buffers: how many may wait for the host, and on which NUMA node they lie. Control thread.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dp/base/result.h"
#include "dp/device/spec.h"

struct rte_mempool;

namespace simplon::dp {

// Each port, and the tunnel interfaces together, has two punt rings. Frames in them wait for the host, and
// hold this part of the buffers at most: however many ports there are, and whatever they are flooded with,
// the others have theirs.
inline constexpr unsigned kPuntPart = 4, kPuntRings = 2, kMostPuntSlots = 1024, kFewestPuntSlots = 32;
inline constexpr unsigned kFewestBuffersOfAPort = kPuntPart * kPuntRings * kFewestPuntSlots;

// The buffers that so many ports need at least.
constexpr std::size_t fewest_buffers(std::size_t ports) { return (ports + 1) * kFewestBuffersOfAPort; }

// Slots of each punt ring, a power of two. 0: for so many ports there are too few buffers.
constexpr unsigned punt_slots(unsigned buffers, std::size_t ports) {
  if (buffers < fewest_buffers(ports)) return 0;
  const std::size_t share = buffers / (kPuntPart * kPuntRings * (ports + 1));
  return static_cast<unsigned>(std::bit_floor(std::min<std::size_t>(share, kMostPuntSlots)));
}

// Bytes of one buffer: a frame of the largest port lies in one.
std::uint16_t buffer_room(const std::vector<PortSetup>& ports);

// A pool on this node, or where there is memory; the error says what to change.
Result<rte_mempool*> make_pool(const std::string& name, unsigned count, unsigned cache, std::uint16_t room,
                               int node);

// One pool on each node that a port is on, which shares the buffers by the number of ports; one for all where
// the nodes are not known.
class BufferPools {
 public:
  // `nodes` of the devices of the ports; EAL runs.
  Result<void> make(unsigned buffers, std::uint16_t room, const std::vector<int>& nodes);
  // Of what is on this node; the first pool where it has none.
  rte_mempool* on(int node) const;

 private:
  struct Pool {
    int node;
    rte_mempool* buffers;
  };
  std::vector<Pool> pools_;
};

}  // namespace simplon::dp

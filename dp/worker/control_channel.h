// SPDX-License-Identifier: Apache-2.0
// From a worker to the control thread: events, and frames for the kernel (the punt path). The worker's thread
// calls; the control thread reads the rings. Nothing here waits: a full ring loses what does not fit.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <cstdint>
#include <type_traits>

#include "dp/base/address.h"
#include "dp/base/network_spec.h"
#include "dp/base/sa_spec.h"
#include "dp/worker/counters.h"
#include "dp/worker/wakeup.h"

namespace simplon::dp {

// A flat value for a ring.
struct WorkerEvent {
  enum class Kind : std::uint8_t { kAcquire, kSoft, kHard, kNeighbour, kMoved, kPathMtu } kind{};
  std::uint8_t protocol = 0;
  bool fragment = false;  // ports are not known
  std::uint16_t sport = 0, dport = 0;
  PortIndex port{};
  PolicyId policy{};
  std::uint64_t sa = 0;
  std::uint32_t spi = 0, sequence = 0;  // kPathMtu: of the ESP packet that was too large, and
  std::uint16_t mtu = 0;                // what is not
  IpAddress source,
      destination;  // kNeighbour: destination is the next hop; kMoved: source is where the peer is
};
static_assert(sizeof(WorkerEvent) % 4 == 0 && std::is_trivially_copyable_v<WorkerEvent>);

class ControlChannel {
 public:
  // Pointers and counters outlive the channel. Null: no ring, no control thread to wake.
  ControlChannel(rte_ring* events, rte_ring* punts, Wakeup* wakeup, WorkerCounters& counters)
      : events_(events), punts_(punts), wakeup_(wakeup), counters_(counters) {}

  // False: there is no room, the event is lost.
  bool send(const WorkerEvent& event);
  // A whole frame for the TAP of this port. Dropped and counted when there is no room.
  void punt(rte_mbuf* frame, PortIndex port);
  // Once a turn: wakes the control thread if it sleeps and something was passed on. The only system call of a
  // worker's turn.
  void wake() {
    if (pending_) wake_now();
  }

 private:
  void wake_now();

  rte_ring* events_;
  rte_ring* punts_;
  Wakeup* wakeup_;
  WorkerCounters& counters_;
  bool pending_ = false;
};

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// From a worker to the control thread: events, and frames for the kernel (the punt path). The worker's thread
// calls; the control thread reads the rings. Nothing here waits: a full ring loses what does not fit.
//
// What the host cannot do without, IKE and the resolution of neighbours, has a ring of its own at each port:
// no flood of anything else, and none at another port, costs a frame of it.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <array>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/network_spec.h"
#include "dp/base/sa_spec.h"
#include "dp/packet/drop.h"
#include "dp/worker/counters.h"
#include "dp/worker/wakeup.h"

namespace simplon::dp {

// A flat value for a ring.
struct WorkerEvent {
  enum class Kind : std::uint8_t { kAcquire, kSoft, kHard, kNeighbour, kMoved, kPathMtu, kAudit } kind{};
  std::uint8_t protocol = 0;
  bool fragment = false;  // ports are not known
  Drop reason{};          // kAudit
  std::uint16_t sport = 0, dport = 0;
  PortIndex port{};
  PolicyId policy{};
  std::uint64_t sa = 0;
  std::uint32_t spi = 0,
                sequence = 0;    // kAudit: of the packet; kPathMtu: of the ESP packet that was too large, and
  std::uint16_t mtu = 0;         // what is not
  std::uint8_t start_bytes = 0;  // kAudit: how much there is of the packet's start
  bool inner = false;            // kAudit: it is the packet inside, or what would have been
  std::array<std::uint8_t, 48> start{};
  std::uint32_t flow_label = 0;  // kAudit: of IPv6
  IpAddress source,
      destination;  // kNeighbour: destination is the next hop; kMoved: source is where the peer is
};
static_assert(sizeof(WorkerEvent) % 4 == 0 && std::is_trivially_copyable_v<WorkerEvent>);

// Which frames for the kernel come first.
enum class PuntClass : std::uint8_t { kFirst, kRest };

// Of one port.
struct PuntRings {
  rte_ring* first = nullptr;
  rte_ring* rest = nullptr;
  rte_ring* of(PuntClass c) const { return c == PuntClass::kFirst ? first : rest; }
};

class ControlChannel {
 public:
  // Pointers and counters outlive the channel. Null: no ring, no control thread to wake. `punts` by
  // PortIndex; tunnel interfaces have `tunnel_punts` together, since they come and go.
  ControlChannel(rte_ring* events, std::vector<PuntRings> punts, const PuntRings& tunnel_punts,
                 Wakeup* wakeup, WorkerCounters& counters)
      : events_(events),
        punts_(std::move(punts)),
        tunnel_punts_(tunnel_punts),
        wakeup_(wakeup),
        counters_(counters) {}

  // False: there is no room, the event is lost.
  bool send(const WorkerEvent& event);
  // A whole frame for the TAP of this port, an IP packet for a tunnel interface. Dropped and counted when
  // there is no room.
  void punt(rte_mbuf* frame, PortIndex port, PuntClass c);
  // Once a turn: wakes the control thread if it sleeps and something was passed on. The only system call of a
  // worker's turn.
  void wake() {
    if (pending_) wake_now();
  }

 private:
  void wake_now();
  rte_ring* punt_ring(PortIndex port, PuntClass c) const;

  rte_ring* events_;
  const std::vector<PuntRings> punts_;
  const PuntRings tunnel_punts_;
  Wakeup* wakeup_;
  WorkerCounters& counters_;
  bool pending_ = false;
};

}  // namespace simplon::dp

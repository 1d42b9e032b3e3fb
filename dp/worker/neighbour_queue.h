// SPDX-License-Identifier: Apache-2.0
// Packets that wait until the MAC address of their next hop is known, at most a second each. The kernel is
// asked to resolve it, and new tables bring the answer. One thread: its worker.
//
// Policies, routes and the gateway's switch may change while a packet waits. A clear packet is decided anew
// before it leaves, so nothing leaves in clear by a policy that is gone (RFC 4301 §5.1); ESP only gets its
// route again.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>

#include "dp/tables/tables.h"
#include "dp/worker/burst.h"
#include "dp/worker/control_channel.h"
#include "dp/worker/counters.h"
#include "dp/worker/rate_limiter.h"
#include "dp/worker/transmit.h"

namespace simplon::dp {

// Why a packet may leave: it is ESP of ours, which no policy is asked about, or it is clear.
struct ForwardingContext {
  bool clear = false;
  std::uint8_t protocol = 0;           // clear: of a fragment, what its datagram has, which was known;
  std::uint16_t sport = 0, dport = 0;  // 0: it is none, or it was decided without
  Origin origin{};                     // clear
  PortIndex port{};                    // clear: where it came in
  Be32 spi{0};                         // ESP: it chooses among several next hops
};

class NeighbourQueue {
 public:
  // `second` in cycles of the TSC. The references outlive this.
  NeighbourQueue(std::uint64_t second, Transmit& transmit, ControlChannel& control, WorkerCounters& counters);
  ~NeighbourQueue();  // frees what still waits
  NeighbourQueue(const NeighbourQueue&) = delete;
  NeighbourQueue& operator=(const NeighbourQueue&) = delete;

  // `m` begins with the IP header of what is to leave. Sends it at once when the next hop is resolved; else
  // queues it and asks for the neighbour. Dropped when there is no place.
  void forward(rte_mbuf* m, const NextHop& hop, const ForwardingContext& context) {
    hop.resolved ? transmit_.send_to(m, hop) : add(m, hop, context);
  }
  // Once a turn: looks at all that wait when the tables are new, else ten times a second. Clear packets whose
  // next hop did not answer go to burst.refuse, as many as the burst has room for.
  void retry(const Tables& tables, Burst& burst) {
    count_ == 0 ? void(generation_ = tables.generation) : retry_waiting(tables, burst);
  }

  unsigned waiting() const { return count_; }

 private:
  struct Waiting {
    rte_mbuf* m;
    std::uint64_t since;
    ForwardingContext context;
    PortIndex port;     // of the next hop
    IpAddress address;  // of the next hop
  };
  void add(rte_mbuf* m, const NextHop& hop, const ForwardingContext& context);
  void add(rte_mbuf* m, const NextHop& hop, const ForwardingContext& context, std::uint64_t since);
  void retry_waiting(const Tables& tables, Burst& burst);
  void give_up(const Waiting& waiting, Burst& burst);
  bool send_to_group(rte_mbuf* m, const NextHop& link);
  void request(PortIndex port, const IpAddress& address);

  Transmit& transmit_;
  ControlChannel& control_;
  WorkerCounters& counters_;
  RateLimiter requests_;
  std::uint64_t second_;
  std::array<Waiting, 64> waiting_;
  unsigned count_ = 0;
  std::uint32_t generation_ = 0;  // of the tables that the waiting packets were last compared with
  std::uint64_t checked_ = 0;     // when that was
};

}  // namespace simplon::dp

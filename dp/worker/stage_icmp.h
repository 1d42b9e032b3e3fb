// SPDX-License-Identifier: Apache-2.0
// ICMP errors that the gateway sends, as a router does (RFC 1812 §4.3, RFC 4443 §2.4): a packet that was
// refused is dropped, and an error about it takes its place. Cold; one thread: its worker.
#pragma once

#include <array>

#include "dp/packet/icmp.h"
#include "dp/tables/tables.h"
#include "dp/worker/burst.h"
#include "dp/worker/counters.h"
#include "dp/worker/rate_limiter.h"

namespace simplon::dp {

class IcmpErrors {
 public:
  // `rate`: errors of one kind in a second; 0: none is sent. `second` in cycles of the TSC. `counters`
  // outlives this.
  IcmpErrors(std::uint64_t second, unsigned rate, WorkerCounters& counters)
      : allowed_{TokenBucket(second, rate), TokenBucket(second, rate), TokenBucket(second, rate)},
        counters_(counters) {}

  // Takes burst.refuse. The errors go to burst.classify, as packets of the protected side: the policies
  // decide about them as about any packet (RFC 4301 §6.2), and the gateway's own kernel gets those about its
  // packets.
  void send(Burst& burst, const Tables& tables);

 private:
  rte_mbuf* make(const PacketInfo& refused, const RefuseWork& work, const Tables& tables);

  std::array<TokenBucket, static_cast<std::size_t>(IcmpKind::kCount)> allowed_;
  WorkerCounters& counters_;
  std::uint16_t id_ = 0;
};

}  // namespace simplon::dp

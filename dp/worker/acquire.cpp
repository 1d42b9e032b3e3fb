// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/acquire.h"

#include <rte_cycles.h>

namespace simplon::dp {

void acquire(const PacketInfo& packet, PolicyId policy, ControlChannel& control, RateLimiter& limit) {
  constexpr std::uint64_t kParts = 8;
  const std::uint64_t part = path_hash(flow_of(packet)) % kParts;
  if (!limit.allow(static_cast<std::uint64_t>(policy) * kParts + part, rte_rdtsc())) return;
  const Headers& h = packet.headers;
  const std::uint8_t* ip = ip_of(packet);
  control.send({.kind = WorkerEvent::Kind::kAcquire,
                .protocol = h.protocol,
                .fragment = h.partial,
                .sport = h.sport,
                .dport = h.dport,
                .policy = policy,
                .source = source_of(ip, h.v4),
                .destination = destination_of(ip, h.v4)});
}

}  // namespace simplon::dp

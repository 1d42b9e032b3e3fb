// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/audit.h"

#include <rte_cycles.h>

#include <algorithm>

namespace simplon::dp {
namespace {

// RFC 4301 §5.2: of IPv6 the flow label too.
std::uint32_t flow_label(const std::uint8_t* ip, bool v4) { return v4 ? 0 : load_be32(ip) & 0xfffff; }

}  // namespace

Audit::Audit(std::uint64_t second, ControlChannel& control) : control_(control) {
  for (auto& limit : limits_) limit.emplace(Limit{RateLimiter(second), TokenBucket(second, kMostInASecond)});
}

bool Audit::allow(Drop reason, Be32 spi) {
  const auto found = std::ranges::find(kAudited, reason);
  if (found == kAudited.end()) return false;
  Limit& limit = *limits_[static_cast<std::size_t>(found - kAudited.begin())];
  const std::uint64_t now = rte_rdtsc();
  return limit.each_sa.allow(spi.host(), now) && limit.all.take(now);
}

void Audit::record(Drop reason, const PacketInfo& packet, Be32 spi, std::uint32_t sequence, SaId sa,
                   Told told) {
  if (!allow(reason, spi)) return;
  const Headers& h = packet.headers;
  const std::uint8_t* ip = ip_of(packet);
  WorkerEvent event{.kind = WorkerEvent::Kind::kAudit,
                    .protocol = h.protocol,
                    .fragment = h.partial,
                    .reason = reason,
                    .sport = h.sport,
                    .dport = h.dport,
                    .sa = static_cast<std::uint64_t>(sa),
                    .spi = spi.host(),
                    .sequence = sequence,
                    .inner = told == Told::kInner,
                    .flow_label = flow_label(ip, h.v4),
                    .source = source_of(ip, h.v4),
                    .destination = destination_of(ip, h.v4)};
  event.start_bytes = static_cast<std::uint8_t>(std::min<std::size_t>(h.length, event.start.size()));
  std::copy_n(ip, event.start_bytes, event.start.begin());
  control_.send(event);
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/audit.h"

#include <rte_cycles.h>

#include <algorithm>

namespace simplon::dp {
namespace {

bool is_audited(Drop reason) {
  return reason == Drop::kUnknownSpi || reason == Drop::kReplayed || reason == Drop::kTooOld ||
         reason == Drop::kBadIcv || reason == Drop::kSelectorMismatch;
}

}  // namespace

void Audit::record(Drop reason, const PacketInfo& packet, Be32 spi, std::uint32_t sequence,
                   const InboundSa* sa) {
  if (!is_audited(reason)) return;
  const std::uint64_t now = rte_rdtsc();
  const std::uint64_t key = std::uint64_t{spi.host()} * 31 + static_cast<std::uint8_t>(reason);
  if (!one_a_second_.allow(key, now) || !all_.take(now)) return;
  const Headers& h = packet.headers;
  const std::uint8_t* ip = ip_of(packet);
  WorkerEvent event{.kind = WorkerEvent::Kind::kAudit,
                    .protocol = h.protocol,
                    .fragment = h.partial,
                    .reason = reason,
                    .sport = h.sport,
                    .dport = h.dport,
                    .sa = sa == nullptr ? 0 : static_cast<std::uint64_t>(sa->id),
                    .spi = spi.host(),
                    .sequence = sequence,
                    .source = source_of(ip, h.v4),
                    .destination = destination_of(ip, h.v4)};
  event.start_bytes = static_cast<std::uint8_t>(std::min<std::size_t>(h.length, event.start.size()));
  std::copy_n(ip, event.start_bytes, event.start.begin());
  control_.send(event);
}

}  // namespace simplon::dp

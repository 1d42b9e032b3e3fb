// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/stage_reassemble.h"

#include <rte_cycles.h>

#include "dp/ipsec/esp_in.h"
#include "dp/packet/fragment.h"
#include "dp/worker/stage_receive.h"

namespace simplon::dp {
namespace {

// What an SA's selectors say now that the ports are known (RFC 4301 §5.2 step 4).
Drop check(const ReassembleWork& work, const PacketInfo& packet, Audit& audit) {
  if (packet.headers.partial) return Drop::kMalformed;  // a fragment of a fragment, inside its data
  if (work.sa == nullptr) return Drop::kNone;
  const Drop bad = check_selectors(*work.sa, ip_of(packet), packet.headers);
  if (bad == Drop::kNone) return bad;
  ++work.sa->selector_mismatch;
  audit.record(bad, packet, work.sa->spi, work.sequence, work.sa->id);
  return bad;
}

}  // namespace

void reassemble(Burst& burst, const Tables& tables, Reassemblies& all, WorkerCounters& counters,
                Audit& audit) {
  const unsigned n = burst.reassemble.take();
  const std::uint64_t now = rte_rdtsc();
  for (unsigned i = 0; i < n; ++i) {
    const ReassembleWork work = burst.reassemble[i];
    PacketInfo& packet = burst.packets[work.packet];
    Reassembly& place = packet.origin == Origin::kUnprotected ? all.outside : all.inside;
    const std::uint32_t way = packet.origin == Origin::kDecrypted ? packet.spi.host() : 0;
    const Reassembly::Whole whole = place.add(packet, way, now);
    if (whole.m == nullptr) continue;
    packet.m = whole.m;
    Drop bad = parse_ip(whole.m, whole.ip, packet.headers);
    // What is authenticated is the packet as it was before it was fragmented (RFC 4302 §3.3.4).
    if (bad == Drop::kNone && (packet.headers.protocol == kAh || packet.headers.protocol == kEsp) &&
        has_fragment_header(ip_of(packet), packet.headers))
      bad = strip_fragment_header(packet.m, packet.headers);
    if (bad == Drop::kNone) bad = check(work, packet, audit);
    if (bad != Drop::kNone) {
      drop(packet.m, bad, counters);
      continue;
    }
    set_largest_fragment(packet, whole.largest);
    sort(work.packet, tables, burst, counters);
  }
}

}  // namespace simplon::dp

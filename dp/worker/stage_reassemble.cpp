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

bool is_ipsec(const PacketInfo& packet) {
  return packet.headers.protocol == kEsp || packet.headers.protocol == kAh;
}

// The entry by whose SA a fragment came, where that is known: of one of ESP or AH, which may be of a bundle
// (RFC 4301 §4.5), and of one that its SA's selectors could not tell. None of what came out of a tunnel
// interface, which no bundle does.
PolicyId brought_by(const ReassembleWork& work, const PacketInfo& packet) {
  if (packet.origin != Origin::kDecrypted || is_tunnel(packet.port)) return {};
  if (work.sa != nullptr) return work.sa->policy;
  return is_ipsec(packet) ? came_by(packet.m) : PolicyId{};
}

// Goes on as a packet does that came whole (stage_decapsulate.h).
void sort_whole(PacketIndex index, PolicyId by, const Tables& tables, Burst& burst,
                WorkerCounters& counters) {
  PacketInfo& packet = burst.packets[index];
  if (packet.origin != Origin::kDecrypted) return sort(index, tables, burst, counters);
  if (!is_ipsec(packet) || is_tunnel(packet.port)) return burst.wait_for_classify(index);
  set_came_by(packet.m, by);
  sort(index, tables, burst, counters);
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
    const bool decrypted = packet.origin == Origin::kDecrypted;
    // Handed over, since no policy asked for the whole then: by which SA it came is not known any more.
    if (decrypted && packet.spi == Be32{}) {
      drop(packet.m, Drop::kFragment, counters);
      continue;
    }
    const PolicyId by = brought_by(work, packet);
    const std::uint64_t way =
        decrypted ? std::uint64_t{packet.spi.host()} << 32 | static_cast<std::uint32_t>(by) : 0;
    const Reassembly::Whole whole = place.add(packet, way, now);
    if (whole.m == nullptr) continue;
    packet.m = whole.m;
    Drop bad = parse_ip(whole.m, whole.ip, packet.headers);
    // What is authenticated is the packet as it was before it was fragmented (RFC 4302 §3.3.4).
    if (bad == Drop::kNone && is_ipsec(packet) && has_fragment_header(ip_of(packet), packet.headers))
      bad = strip_fragment_header(packet.m, packet.headers);
    if (bad == Drop::kNone) bad = check(work, packet, audit);
    if (bad != Drop::kNone) {
      drop(packet.m, bad, counters);
      continue;
    }
    set_largest_fragment(packet, whole.largest);
    sort_whole(work.packet, by, tables, burst, counters);
  }
}

}  // namespace simplon::dp

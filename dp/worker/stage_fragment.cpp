// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/stage_fragment.h"

#include <algorithm>
#include <span>

#include "dp/ipsec/outer_header.h"
#include "dp/packet/fragment.h"

namespace simplon::dp {
namespace {

// What was put back although it is a piece: the SA's MTU became smaller just now.
template <class Work>
void drop_all(WorkList<Work>& list, const Burst& pieces, WorkerCounters& counters) {
  const unsigned n = list.take();
  for (unsigned i = 0; i < n; ++i) drop(pieces.packets[list[i].packet].m, Drop::kTooBig, counters);
}

// The pieces are packets like any, and go through the SA together; at most kBurst.
void protect_burst(std::span<rte_mbuf* const> fragments, const EncapsulateWork& work,
                   const PacketInfo& packet, Burst& pieces, const Tables& tables, Crypto& crypto,
                   const EncapsulateOutputs& out) {
  pieces.count = 0;
  for (rte_mbuf* m : fragments) {
    const auto index = static_cast<PacketIndex>(pieces.count);
    PacketInfo& piece = pieces.add();
    piece = {.m = m, .headers = {}, .origin = packet.origin, .port = packet.port, .spi = {}};
    if (const Drop bad = parse_ip(m, 0, piece.headers); bad != Drop::kNone)
      drop(m, bad, out.counters);
    else
      pieces.wait_for_encapsulate(index, *work.slot, work.sa);
  }
  for (unsigned i = 0; i < kMostRounds && !pieces.encapsulate.empty(); ++i)  // again where there is a bundle
    encapsulate(pieces, tables, crypto, out, nullptr);
  drop_all(pieces.fragment, pieces, out.counters);
  drop_all(pieces.refuse, pieces, out.counters);
}

// Before ESP.
void protect_pieces(const EncapsulateWork& work, const PacketInfo& packet, Burst& pieces,
                    const Tables& tables, Crypto& crypto, const EncapsulateOutputs& out) {
  const std::uint16_t largest = largest_fragment(packet), inner = work.sa->inner_mtu;
  Fragments fragments;
  if (!fragment(packet.m, packet.headers, largest == 0 ? inner : std::min(inner, largest), out.buffers,
                fragments))
    return drop(packet.m, Drop::kNoBuffer, out.counters);
  out.counters.fragments += fragments.count - 1;
  const std::span all = std::span(fragments.pieces).first(fragments.count);
  for (std::size_t at = 0; at < all.size(); at += kBurst)
    protect_burst(all.subspan(at, std::min<std::size_t>(kBurst, all.size() - at)), work, packet, pieces,
                  tables, crypto, out);
}

// An IPv6 path must carry packets of 1280 octets, so that is the least that its sender may be told; what is
// smaller and too large nevertheless leaves in outer fragments (RFC 2473 §7.1).
bool is_below_least(const PacketInfo& packet) {
  return !packet.headers.v4 && packet.headers.length <= kLeastIpv6Mtu;
}

}  // namespace

void fragment(Burst& burst, Burst& pieces, const Tables& tables, Crypto& crypto,
              const EncapsulateOutputs& out) {
  const unsigned n = burst.fragment.take();
  for (unsigned i = 0; i < n; ++i) {
    const EncapsulateWork& work = burst.fragment[i];
    PacketInfo& packet = burst.packets[work.packet];
    // In transport mode it is fragmented anew behind ESP, as a packet of the gateway's.
    if (mode_of(work.sa->kind) == SaMode::kTransport &&
        (packet.headers.reassembled || is_below_least(packet)) &&
        has_fragment_header(ip_of(packet), packet.headers))
      if (const Drop bad = strip_fragment_header(packet.m, packet.headers); bad != Drop::kNone) {
        drop(packet.m, bad, out.counters);
        continue;
      }
    const bool v4 = packet.headers.v4;
    const bool may = packet.headers.reassembled || may_be_fragmented(ip_of(packet), packet.headers);
    if (!packet.from_host() && ttl(ip_of(packet), v4) <= 1)
      burst.wait_for_refuse(work.packet, Drop::kTtlExpired);
    else if (is_below_least(packet) || (may && !is_aggfrag(work.sa->kind) &&
                                        work.sa->options.fragmentation == Fragmentation::kAfterEsp))
      encapsulate_whole(work.packet, *work.sa, burst, tables, crypto, out);
    else if (may)
      protect_pieces(work, packet, pieces, tables, crypto, out);
    else
      burst.wait_for_refuse(
          work.packet, Drop::kTooBig,
          std::max<std::uint16_t>(largest(*work.sa, packet.headers), v4 ? 0 : kLeastIpv6Mtu));
  }
}

}  // namespace simplon::dp

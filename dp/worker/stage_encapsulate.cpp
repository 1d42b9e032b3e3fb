// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/stage_encapsulate.h"

#include <rte_cycles.h>

#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "dp/ipsec/ah.h"
#include "dp/ipsec/dressing.h"
#include "dp/ipsec/esp_out.h"
#include "dp/ipsec/outer_header.h"
#include "dp/packet/fragment.h"
#include "dp/worker/acquire.h"
#include "dp/worker/sa_limits.h"

namespace simplon::dp {
namespace {

// A packet that this worker does not encrypt.
void turn_away(const EncapsulateWork& work, const PacketInfo& packet, const EncapsulateOutputs& out) {
  if (packet.origin == Origin::kDummy) return drop(packet.m, Drop::kDummy, out.counters);
  if (work.sa != nullptr) {
    if (packet.origin == Origin::kBundle) set_bundle_slot(packet.m, *work.slot);
    return out.mailboxes.hand_over(packet, work.sa->owner);
  }
  acquire(packet, work.slot->policy, out.control, out.acquires);
  out.counters.hits.count(work.slot->hit);
  drop(packet.m, Drop::kNoSa, out.counters);
}

// Of an SA of a dressed kind.
[[gnu::noinline]] Drop begin_dressed(const PacketInfo& packet, OutboundSa& sa, CryptoJob& job) {
  Headers headers = packet.headers;
  const Drop bad = packet.origin == Origin::kDummy
                       ? encapsulate_dummy(packet.m, headers, sa.next_seq, sa, job)
                       : encapsulate_dressed(packet.m, headers, !packet.from_host(), sa.next_seq, sa, job);
  if (bad != Drop::kNone) return bad;
  ++sa.next_seq;
  if (packet.origin != Origin::kDummy) ++sa.dressing.carried;
  sa.bytes += headers.length;  // as RFC 4301 §4.4.2.1 counts: what the algorithm was applied to
  return Drop::kNone;
}

// Takes a sequence number, one after the other by the one owner (RFC 4303 §3.3.3).
template <SaKind kKind>
inline Drop begin(const PacketInfo& packet, OutboundSa& sa, CryptoJob& job, const EncapsulateOutputs& out) {
  if ((sa.next_seq > sa.check_at_packets || sa.bytes >= sa.check_at_bytes) && !within_limits(sa, out.control))
    return !sa.esn && sa.next_seq > kLastSequence ? Drop::kSequenceExhausted : Drop::kLifetimeExpired;
  if constexpr (is_dressed(kKind)) {
    return begin_dressed(packet, sa, job);
  } else {
    Drop bad;
    if constexpr (is_ah(kKind))
      bad = ah_encapsulate(packet.m, packet.headers, !packet.from_host(), sa.next_seq, sa, job);
    else
      bad = encapsulate<kKind>(packet.m, packet.headers, !packet.from_host(), sa.next_seq, sa, job);
    if (bad != Drop::kNone) return bad;
    ++sa.next_seq;
    sa.bytes += packet.headers.length;
    return Drop::kNone;
  }
}

// A packet that begin() did not take.
[[gnu::noinline]] void refuse(PacketIndex index, const OutboundSa& sa, Drop bad, Burst& burst,
                              const EncapsulateOutputs& out) {
  if (bad == Drop::kTtlExpired) return burst.wait_for_refuse(index, bad);
  // Nobody has lost anything, and there is nothing in it yet that could be told of.
  if (burst.packets[index].origin == Origin::kDummy)
    return drop(burst.packets[index].m, Drop::kDummy, out.counters);
  if (bad == Drop::kSequenceExhausted)
    out.audit.record(bad, burst.packets[index], spi_of(sa), static_cast<std::uint32_t>(sa.next_seq - 1),
                     sa.id);
  drop(burst.packets[index].m, bad, out.counters);
}

// A payload of AGGFRAG that begin() did not take. Of one that has something of a packet the outer packet is
// told of: the payload has parts of many. Its header takes the payload's place, which nobody reads any more.
[[gnu::noinline]] void refuse_payload(PacketInfo& payload, bool carries, const OutboundSa& sa, Drop bad,
                                      const EncapsulateOutputs& out) {
  if (bad == Drop::kSequenceExhausted && carries) {
    std::uint8_t* ip = bytes_of(payload.m);
    std::memcpy(ip, sa.header.data() + sa.header.size() - sa.header_bytes, sa.header_bytes);
    const unsigned length = sa.header_bytes + payload.headers.length + 0u;
    store_be16(ip + (sa.v4 ? 2 : 4), static_cast<std::uint16_t>(length - (sa.v4 ? 0u : sa.ip_bytes)));
    payload.headers = {.payload = sa.ip_bytes,
                       .length = sa.header_bytes,
                       .sport = static_cast<std::uint16_t>(sa.udp ? load_be16(ip + sa.ip_bytes) : 0),
                       .dport = static_cast<std::uint16_t>(sa.udp ? load_be16(ip + sa.ip_bytes + 2) : 0),
                       .protocol = sa.udp ? kUdp : kEsp,
                       .v4 = sa.v4};
    out.audit.record(bad, payload, spi_of(sa), static_cast<std::uint32_t>(sa.next_seq - 1), sa.id,
                     Audit::Told::kOuter);
  }
  drop(payload.m, bad, out.counters);
}

// A packet of AGGFRAG, which waits for a payload.
[[gnu::noinline]] void join(const EncapsulateWork& work, Burst& burst, const EncapsulateOutputs& out) {
  const PacketInfo& packet = burst.packets[work.packet];
  if (packet.headers.length > work.sa->inner_mtu)
    burst.fragment.add() = work;
  else if (!packet.from_host() && ttl(ip_of(packet), packet.headers.v4) <= 1)
    burst.wait_for_refuse(work.packet, Drop::kTtlExpired);
  else
    out.aggfrag.send(packet, *work.sa);
}

// From work item `i` on, as long as the SAs are ours and of this kind; the first item that is not.
template <SaKind kKind>
inline unsigned encapsulate_run(Burst& burst, unsigned i, unsigned n, unsigned& jobs,
                                const EncapsulateOutputs& out) {
  const unsigned self = out.mailboxes.self();
  OutboundSa* sa = burst.encapsulate[i].sa;
  do {
    const EncapsulateWork& work = burst.encapsulate[i];
    const PacketInfo& packet = burst.packets[work.packet];
    if constexpr (is_aggfrag(kKind))
      join(work, burst, out);
    else if (packet.headers.length >
             (mode_of(kKind) == SaMode::kTunnel ? sa->inner_mtu.get() : largest(*sa, packet.headers)))
      burst.fragment.add() = work;
    else if (const Drop bad = begin<kKind>(packet, *sa, burst.jobs[jobs], out); bad != Drop::kNone)
      refuse(work.packet, *sa, bad, burst, out);
    else
      burst.encapsulating[jobs++] = sa;
    if (++i == n) break;
    sa = burst.encapsulate[i].sa;
  } while (sa != nullptr && sa->owner == self && sa->kind == kKind);
  return i;
}

// The same of a dressed kind: a function of its own, so that the plain ones are compiled as if it were not
// there. `jobs` comes and goes as a value, for it is a register there.
struct RunEnd {
  unsigned item, jobs;
};
template <SaKind kKind>
[[gnu::noinline]] RunEnd dressed_run(Burst& burst, unsigned i, unsigned n, unsigned jobs,
                                     const EncapsulateOutputs& out) {
  i = encapsulate_run<kKind>(burst, i, n, jobs, out);
  return {i, jobs};
}

// Cold.
RouteTo route_to(const OutboundSa& sa, const Tables& tables) {
  return tables.routes->find_outer(sa.destination, path_hash(spi_of(sa)));
}

// The route of the outer packet; the SA remembers it as long as the generation of the tables stays.
inline const NextHop* route_of(OutboundSa& sa, const Tables& tables) {
  if (sa.route_generation != tables.generation) {
    const RouteTo to = route_to(sa, tables);
    sa.route = to ? to.index : kNoNextHop;
    sa.route_generation = tables.generation;
  }
  return sa.route == kNoNextHop ? nullptr : &tables.routes->next_hop(sa.route);
}

PacketIndex index_of(const Burst& burst, const rte_mbuf* m) {
  PacketIndex i = 0;
  while (burst.packets[i].m != m) ++i;
  return i;
}

// What the headers of another SA take before a packet, at most.
constexpr std::uint16_t kHeadroom = RTE_PKTMBUF_HEADROOM;

// Moves the packet to where there is room before it, if there is.
void make_headroom(rte_mbuf* m) {
  if (m->data_off >= kHeadroom || m->data_off + rte_pktmbuf_tailroom(m) < 2 * kHeadroom) return;
  std::uint8_t *from = bytes_of(m), *to = from + (kHeadroom - m->data_off);
  std::memmove(to, from, rte_pktmbuf_data_len(m));
  m->data_off = kHeadroom;
}

// A packet of an SA that is one of a bundle (RFC 4301 §4.5): it is one of the gateway's own now, for the SA
// over it. `cut`: that one's packet may be fragmented, so it needs an identification.
[[gnu::noinline]] void protect_again(Burst& burst, PacketIndex index, const OutboundSa& sa, bool cut,
                                     const EncapsulateOutputs& out) {
  PacketInfo& packet = burst.packets[index];
  make_headroom(packet.m);
  if (const Drop bad = parse_ip(packet.m, 0, packet.headers); bad != Drop::kNone)
    return drop(packet.m, bad, out.counters);
  if (cut && sa.v4) {
    std::uint8_t* ip = bytes_of(packet.m);
    store_be16(ip + 4, static_cast<std::uint16_t>(identification(sa, sa.next_seq)));
    store_be16(ip + 6, 0);
    set_ipv4_checksum(ip);
  }
  packet.origin = Origin::kBundle;
  burst.wait_for_encapsulate(index, *sa.over, sa.over->sa.read());
}

// What few packets need after the cryptography. False: it is for another SA.
[[gnu::noinline]] bool complete(Burst& burst, unsigned job, const OutboundSa& sa,
                                const EncapsulateOutputs& out) {
  encapsulate_finish(burst.jobs[job], sa);
  if (sa.over == nullptr) return true;
  protect_again(burst, index_of(burst, burst.jobs[job].mbuf), sa, false, out);
  return false;
}

inline void forward_all(Burst& burst, unsigned n, std::uint32_t good, const Tables& tables,
                        const EncapsulateOutputs& out) {
  const OutboundSa* last = nullptr;
  const NextHop* hop = nullptr;
  out.counters.encrypted += static_cast<unsigned>(std::popcount(good));
  for (unsigned i = 0; i < n; ++i) {
    rte_mbuf* m = burst.jobs[i].mbuf;
    if ((good >> i & 1) == 0) {
      drop(m, Drop::kCryptoError, out.counters);
      continue;
    }
    OutboundSa& sa = *burst.encapsulating[i];
    if (hop == nullptr || &sa != last) hop = route_of(sa, tables), last = &sa;
    if (hop == nullptr && sa.over == nullptr) {
      drop(m, route_to(sa, tables).reason, out.counters);
      continue;
    }
    if (sa.after_crypto) [[unlikely]]
      if (!complete(burst, i, sa, out)) continue;
    out.neighbours.forward(m, *hop, {.spi = spi_of(sa)});
  }
}

Drop begin_of_kind(const PacketInfo& packet, OutboundSa& sa, CryptoJob& job, const EncapsulateOutputs& out) {
  return with_kind(sa.kind, [&]<SaKind kKind>() { return begin<kKind>(packet, sa, job, out); });
}

// An ESP packet in pieces that fit into the path. DF must not stand in a fragment.
bool fragment_outer(rte_mbuf* m, const OutboundSa& sa, std::uint64_t seq, rte_mempool* buffers,
                    Fragments& fragments) {
  Headers headers;
  if (parse_ip(m, 0, headers) != Drop::kNone) return false;
  if (!sa.v4) return fragment_ipv6(m, headers, sa.outer_mtu, identification(sa, seq), buffers, fragments);
  std::uint8_t* ip = bytes_of(m);
  if (!is_ah(sa.kind)) store_be16(ip + 4, static_cast<std::uint16_t>(identification(sa, seq)));
  store_be16(ip + 6, 0);
  return fragment(m, headers, sa.outer_mtu, buffers, fragments);
}

}  // namespace

void encapsulate_whole(PacketIndex index, OutboundSa& sa, Burst& burst, const Tables& tables, Crypto& crypto,
                       const EncapsulateOutputs& out) {
  const PacketInfo& packet = burst.packets[index];
  if (is_aggfrag(sa.kind)) return out.aggfrag.send(packet, sa);  // it is split, if it may be
  const std::uint64_t seq = sa.next_seq;
  CryptoJob job;
  if (const Drop bad = begin_of_kind(packet, sa, job, out); bad != Drop::kNone)
    return refuse(index, sa, bad, burst, out);
  if (crypto.run(&job, 1) != 1) return drop(packet.m, Drop::kCryptoError, out.counters);
  ++out.counters.encrypted;
  if (sa.after_crypto) encapsulate_finish(job, sa);
  if (sa.over != nullptr) return protect_again(burst, index, sa, true, out);
  const NextHop* hop = route_of(sa, tables);
  if (hop == nullptr) return drop(packet.m, route_to(sa, tables).reason, out.counters);
  Fragments fragments;
  if (!fragment_outer(packet.m, sa, seq, out.buffers, fragments))
    return drop(packet.m, Drop::kNoBuffer, out.counters);
  out.counters.fragments += fragments.count - 1;
  for (rte_mbuf* piece : std::span(fragments.pieces).first(fragments.count))
    out.neighbours.forward(piece, *hop, {.spi = spi_of(sa)});
}

void encapsulate_payloads(Burst& burst, OutboundSa& sa, const Tables& tables, Crypto& crypto,
                          const EncapsulateOutputs& out) {
  unsigned jobs = 0;
  for (unsigned i = 0; i < burst.count; ++i) {
    PacketInfo& payload = burst.packets[i];
    const bool carries = !is_padding_alone({bytes_of(payload.m), payload.headers.length});
    if (const Drop bad = begin_of_kind(payload, sa, burst.jobs[jobs], out); bad != Drop::kNone) {
      refuse_payload(payload, carries, sa, bad, out);
      continue;
    }
    if (carries) sa.aggfrag->count_carried();
    burst.encapsulating[jobs++] = &sa;
  }
  if (jobs != 0) forward_all(burst, jobs, crypto.run(burst.jobs.data(), jobs), tables, out);
}

void encapsulate(Burst& burst, const Tables& tables, Crypto& crypto, const EncapsulateOutputs& out,
                 StageClock* clock) {
  const unsigned n = burst.encapsulate.take();
  unsigned jobs = 0;
  for (unsigned i = 0; i < n;) {
    const EncapsulateWork& work = burst.encapsulate[i];
    if (work.sa == nullptr || work.sa->owner != out.mailboxes.self()) {
      turn_away(work, burst.packets[work.packet], out);
      ++i;
      continue;
    }
    i = with_kind(work.sa->kind, [&]<SaKind kKind>() {
      if constexpr (is_dressed(kKind)) {
        const RunEnd end = dressed_run<kKind>(burst, i, n, jobs, out);
        jobs = end.jobs;
        return end.item;
      } else {
        return encapsulate_run<kKind>(burst, i, n, jobs, out);
      }
    });
  }
  mark(clock, Stage::kEsp);
  if (jobs == 0) return;
  const std::uint32_t good = crypto.run(burst.jobs.data(), jobs);
  mark(clock, Stage::kCrypto);
  forward_all(burst, jobs, good, tables, out);
  mark(clock, Stage::kRoute);
}

}  // namespace simplon::dp

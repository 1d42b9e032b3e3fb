// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/stage_classify.h"

#include <rte_prefetch.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "dp/base/protocol.h"
#include "dp/packet/fragment.h"
#include "dp/packet/icmp.h"
#include "dp/worker/acquire.h"
#include "dp/worker/mss_clamp.h"
#include "dp/worker/punt.h"

namespace simplon::dp {
namespace {

template <class Cache, class Addresses>
inline const Decision& find_decision(Cache& flows, const Addresses& addresses, const PacketInfo& packet,
                                     const Tables& tables) {
  const Headers& h = packet.headers;
  const typename Cache::Key key{.addresses = addresses,
                                .sport = h.sport,
                                .dport = h.dport,
                                .protocol = h.protocol,
                                .origin = packet.origin,
                                .fragment = h.partial,
                                .port = static_cast<std::uint16_t>(packet.port)};
  const std::size_t slot = flows.slot(key);
  if (const Decision* found = flows.find(slot, key, tables.generation)) return *found;
  return flows.keep(slot, key, tables.generation, decide(tables, flow_of(packet)));
}

inline const Decision& find_decision(FlowCaches& flows, const PacketInfo& packet, const Tables& tables) {
  const std::uint8_t* ip = ip_of(packet);
  const auto word = [ip](unsigned at) {
    std::uint64_t w;
    std::memcpy(&w, ip + at, sizeof w);
    return w;
  };
  if (packet.headers.v4) return find_decision(flows.v4, word(12), packet, tables);
  return find_decision(flows.v6, std::array{word(8), word(16), word(24), word(32)}, packet, tables);
}

// A datagram of the kernel's that was put together to be decided about leaves as it came: in fragments.
[[gnu::noinline]] void send_in_fragments(const PacketInfo& packet, PortIndex port,
                                         const ClassifyOutputs& out) {
  std::array<std::uint8_t, kEthernetBytes> ethernet;
  std::memcpy(ethernet.data(), ip_of(packet) - kEthernetBytes, kEthernetBytes);
  Fragments fragments;
  if (!fragment(packet.m, packet.headers, largest_fragment(packet), out.buffers, fragments))
    return drop(packet.m, Drop::kNoBuffer, out.counters);
  out.counters.fragments += fragments.count - 1;
  for (rte_mbuf* piece : std::span(fragments.pieces).first(fragments.count)) {
    std::memcpy(rte_pktmbuf_prepend(piece, kEthernetBytes), ethernet.data(), kEthernetBytes);
    out.transmit.send(piece, port);
  }
}

// The kernel says of itself that it is no router, since it does not forward: the data path does (RFC 4861
// §7.2.4). Else hosts that chose the gateway by its advertisements would drop it (§7.3.3).
void send_as_framed(const PacketInfo& packet, PortIndex port, bool router, const ClassifyOutputs& out) {
  if (packet.headers.reassembled) return send_in_fragments(packet, port, out);
  if (router && is_neighbour_advertisement(packet.headers))
    set_router_flag(bytes_of(packet.m) + packet.headers.payload);
  // Handed over by another worker: its Ethernet header is in the headroom.
  if (packet.headers.ip == 0 && rte_pktmbuf_prepend(packet.m, kEthernetBytes) == nullptr)
    return drop(packet.m, Drop::kNoBuffer, out.counters);
  out.transmit.send(packet.m, port);
}

// Whether it may be fragmented here: by RFC 1812 §5.2.7.1; or since it came in fragments; or since it left a
// tunnel whose other end had put it together.
bool may_be_cut(const PacketInfo& packet) {
  const std::uint8_t* ip = ip_of(packet);
  return packet.headers.reassembled || may_be_fragmented(ip, packet.headers) ||
         (packet.origin == Origin::kDecrypted && has_fragment_header(ip, packet.headers));
}

// RFC 1812 §5.2.7.1 and §5.2.6: in fragments, or not at all.
[[gnu::noinline]] void forward_too_large(PacketIndex index, const NextHop& next, Burst& burst,
                                         const ClassifyOutputs& out) {
  const PacketInfo& packet = burst.packets[index];
  const bool v4 = packet.headers.v4;
  if (!may_be_cut(packet)) return burst.wait_for_refuse(index, Drop::kTooBig, next.mtu);
  const std::uint16_t largest = largest_fragment(packet);
  const std::uint16_t mtu = largest == 0 ? next.mtu : std::min(next.mtu, largest);
  ForwardingContext context{.clear = true, .origin = packet.origin, .port = packet.port};
  if (!packet.headers.partial)
    context.protocol = packet.headers.protocol, context.sport = packet.headers.sport,
    context.dport = packet.headers.dport;
  Fragments fragments;
  if (!fragment(packet.m, packet.headers, mtu, out.buffers, fragments))
    return drop(packet.m, Drop::kNoBuffer, out.counters);
  ++out.counters.forwarded;
  out.counters.fragments += fragments.count - 1;
  for (rte_mbuf* piece : std::span(fragments.pieces).first(fragments.count)) {
    decrement_ttl(bytes_of(piece), v4);
    out.neighbours.forward(piece, next, context);
  }
}

// What is not for every packet. True: it is forwarded as it is.
[[gnu::noinline]] bool prepare_special(PacketIndex index, const NextHop& next, Burst& burst,
                                       const Tables& tables, const ClassifyOutputs& out) {
  const PacketInfo& packet = burst.packets[index];
  if (ttl(ip_of(packet), packet.headers.v4) <= 1)
    return burst.wait_for_refuse(index, Drop::kTtlExpired), false;
  if (packet.headers.length > next.mtu || packet.headers.reassembled)
    return forward_too_large(index, next, burst, out), false;
  clamp_mss_of(packet, nullptr, tables);
  return true;
}

// How many were forwarded as they are: the caller counts.
[[gnu::always_inline]] inline unsigned forward_clear(PacketIndex index, const NextHop& next, Burst& burst,
                                                     const Tables& tables, const ClassifyOutputs& out) {
  const PacketInfo& packet = burst.packets[index];
  const Headers& h = packet.headers;
  std::uint8_t* ip = ip_of(packet);
  // One branch for all.
  const bool special = (ttl(ip, h.v4) <= 1) | (h.length > next.mtu) | h.syn | h.reassembled;
  if (special && !prepare_special(index, next, burst, tables, out)) return 0;
  decrement_ttl(ip, h.v4);
  packet.m->data_off = static_cast<std::uint16_t>(packet.m->data_off + h.ip);
  packet.m->data_len = h.length;
  packet.m->pkt_len = h.length;
  out.neighbours.forward(packet.m, next, {.clear = true, .origin = packet.origin, .port = packet.port});
  return 1;
}

inline void wait_for_encapsulate(PacketIndex index, const OutboundSlot& slot, Burst& burst) {
  OutboundSa* sa = slot.sa.read();
  rte_prefetch0(sa);
  burst.wait_for_encapsulate(index, slot, sa);
}

// RFC 4301 §4.1. Class 0 where the packet's own has no SA, for which it asks then.
[[gnu::noinline]] void wait_by_class(PacketIndex index, const Decision& decision, Burst& burst,
                                     const Tables& tables, const ClassifyOutputs& out) {
  const PacketInfo& packet = burst.packets[index];
  const ClassSlots& by_class = (*tables.classes)[decision.hit];
  const unsigned dscp = traffic_class(ip_of(packet), packet.headers.v4) >> 2;
  const std::uint8_t dscp_class = by_class.classes.of[dscp];
  const OutboundSlot& own = (*tables.outbound)[by_class.slots[dscp_class]];
  const OutboundSlot& rest = (*tables.outbound)[decision.index];
  if (packet.headers.syn) clamp_mss_of(packet, &rest, tables);
  if (OutboundSa* sa = own.sa.read(); sa != nullptr) return burst.wait_for_encapsulate(index, own, sa);
  if (dscp_class != 0 && rest.sa.read() != nullptr) acquire(packet, rest.policy, out.control, out.acquires);
  wait_for_encapsulate(index, rest, burst);
}

// RFC 4301 §6.2: an ICMP error whose own addresses and protocol no entry takes goes through the SA that
// carries the answers to the packet that it quotes. No SA is asked for on its behalf.
const OutboundSlot* slot_by_quoted_packet(const PacketInfo& packet, const Tables& tables) {
  auto flow = return_flow_of_error(ip_of(packet), packet.headers);
  if (!flow) return nullptr;
  flow->port = packet.port;  // whose SPD it is for
  return protecting_slot(tables, *flow);
}

// Whether the SPD's outbound side was asked, which is the sender's to know (RFC 4301 §5.1); what comes from
// outside is not told why it does not come in.
bool is_outbound(const PacketInfo& packet) { return packet.origin != Origin::kUnprotected; }

void discard(PacketIndex index, const Decision& decision, Burst& burst, const Tables& tables,
             const ClassifyOutputs& out);

// RFC 4301 §7.2: a fragment that the policies can decide about, if they know whether it is the first. False:
// they cannot. It is not remembered, since the first fragment and the others are one flow.
[[gnu::noinline]] bool pass_piece(PacketIndex index, Burst& burst, const Tables& tables,
                                  const ClassifyOutputs& out) {
  const PacketInfo& packet = burst.packets[index];
  const Decision decision = decide(tables, flow_of_piece(packet));
  switch (decision.kind) {
    case Decision::Kind::kDrop:
      if (decision.reason() == Drop::kFragment) return false;
      discard(index, decision, burst, tables, out);
      return true;
    case Decision::Kind::kProtect:
      wait_for_encapsulate(index, (*tables.outbound)[decision.index], burst);
      return true;
    case Decision::Kind::kProtectByClass:
      wait_by_class(index, decision, burst, tables, out);
      return true;
    case Decision::Kind::kPunt:
      out.counters.hits.count(decision.hit);
      punt_ip(packet, decision.port(), tables, {out.control, out.counters});
      return true;
    case Decision::Kind::kSend:
      out.counters.hits.count(decision.hit);
      send_as_framed(packet, decision.port(), tables.gateway_on, out);
      return true;
    case Decision::Kind::kBypass:
      out.counters.hits.count(decision.hit);
      [[fallthrough]];
    case Decision::Kind::kForward:
      out.counters.forwarded +=
          forward_clear(index, tables.routes->next_hop(decision.index), burst, tables, out);
      return true;
  }
  return false;
}

[[gnu::noinline]] void discard(PacketIndex index, const Decision& decision, Burst& burst,
                               const Tables& tables, const ClassifyOutputs& out) {
  const PacketInfo& packet = burst.packets[index];
  const Drop reason = decision.reason();
  if (reason == Drop::kFragment && tables.pieces && pass_piece(index, burst, tables, out)) return;
  if (reason == Drop::kFragment) return burst.wait_for_reassemble(index);
  const bool martian = reason == Drop::kMartianSource || reason == Drop::kOwnSource;
  if (packet.origin == Origin::kUnprotected && !martian && out.path_mtus.take(packet, tables))
    return drop(packet.m, Drop::kPathMtu, out.counters);
  if (reason == Drop::kNoPolicy && is_outbound(packet))
    if (const OutboundSlot* slot = slot_by_quoted_packet(packet, tables))
      return wait_for_encapsulate(index, *slot, burst);
  out.counters.hits.count(decision.hit);
  const bool prohibited = reason == Drop::kNoPolicy || reason == Drop::kPolicyDiscard;
  if (prohibited && !(out.tell_prohibited && is_outbound(packet)))
    return drop(packet.m, reason, out.counters);
  if (find_icmp(reason) == nullptr) return drop(packet.m, reason, out.counters);
  burst.wait_for_refuse(index, reason);
}

// How many packets were forwarded as they are. `hits` are those of out.counters.
inline unsigned apply(const ClassifyWork& work, Hits::Counters hits, Burst& burst, const Tables& tables,
                      const ClassifyOutputs& out) {
  const PacketInfo& packet = burst.packets[work.packet];
  const Decision& decision = work.decision;
  switch (decision.kind) {
    case Decision::Kind::kDrop:
      return discard(work.packet, decision, burst, tables, out), 0;
    case Decision::Kind::kPunt:
      if (packet.origin == Origin::kUnprotected) out.path_mtus.take(packet, tables);
      if (packet.headers.syn) clamp_mss_of(packet, nullptr, tables);
      out.counters.hits.count(decision.hit);
      return punt_ip(packet, decision.port(), tables, {out.control, out.counters}), 0;
    case Decision::Kind::kSend:
      out.counters.hits.count(decision.hit);
      return send_as_framed(packet, decision.port(), tables.gateway_on, out), 0;
    case Decision::Kind::kProtect: {
      const OutboundSlot& slot = (*tables.outbound)[decision.index];
      if (packet.headers.syn) clamp_mss_of(packet, &slot, tables);
      return wait_for_encapsulate(work.packet, slot, burst), 0;
    }
    case Decision::Kind::kProtectByClass:
      return wait_by_class(work.packet, decision, burst, tables, out), 0;
    case Decision::Kind::kBypass:
      ++hits[decision.hit];
      [[fallthrough]];
    case Decision::Kind::kForward:
      return forward_clear(work.packet, tables.routes->next_hop(decision.index), burst, tables, out);
  }
  return 0;
}

}  // namespace

void classify(Burst& burst, const Tables& tables, FlowCaches& flows, const ClassifyOutputs& out,
              StageClock* clock) {
  const unsigned n = burst.classify.take();
  // All are decided before any is acted upon: the cache misses of one packet overlap with those of the next.
  // The decision is copied, since a later packet's may take its place in the cache.
  for (unsigned i = 0; i < n; ++i) {
    ClassifyWork& work = burst.classify[i];
    work.decision = find_decision(flows, burst.packets[work.packet], tables);
  }
  mark(clock, Stage::kSpd);
  unsigned forwarded = 0;
  const Hits::Counters hits = out.counters.hits.counters();
  for (unsigned i = 0; i < n; ++i) forwarded += apply(burst.classify[i], hits, burst, tables, out);
  out.counters.forwarded += forwarded;
  mark(clock, Stage::kRoute);
}

}  // namespace simplon::dp

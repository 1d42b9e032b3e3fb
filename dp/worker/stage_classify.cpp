// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/stage_classify.h"

#include <rte_prefetch.h>

#include <cstring>

#include "dp/base/protocol.h"

namespace simplon::dp {
namespace {

// Source address of the frames that the data path makes for the kernel; locally administered.
constexpr Mac kOurMac{0x02, 0x53, 0x69, 0x6d, 0x70, 0x6c};

template <class Cache, class Addresses>
inline const Decision& find_decision(Cache& flows, const Addresses& addresses, const PacketInfo& packet,
                                     const Tables& tables) {
  const Headers& h = packet.headers;
  const typename Cache::Key key{.addresses = addresses,
                                .sport = h.sport,
                                .dport = h.dport,
                                .protocol = h.protocol,
                                .origin = packet.origin,
                                .fragment = h.fragment,
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

// The kernel gets a whole frame: a packet that came in a frame keeps it, one out of an SA is given one.
void punt_ip(const PacketInfo& packet, PortIndex port, const Tables& tables, const ClassifyOutputs& out) {
  if (packet.headers.ip >= kEthernetBytes) return out.control.punt(packet.m, port);
  auto* frame = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_prepend(packet.m, kEthernetBytes));
  if (frame == nullptr) return drop(packet.m, Drop::kNoBuffer, out.counters);
  const Mac mac = tables.routes->mac(port);
  std::memcpy(frame, mac.data(), 6);
  std::memcpy(frame + 6, kOurMac.data(), 6);
  store_be16(frame + 12, packet.headers.v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  out.control.punt(packet.m, port);
}

void send_as_framed(const PacketInfo& packet, PortIndex port, const ClassifyOutputs& out) {
  // Handed over by another worker: its Ethernet header is in the headroom.
  if (packet.headers.ip == 0 && rte_pktmbuf_prepend(packet.m, kEthernetBytes) == nullptr)
    return drop(packet.m, Drop::kNoBuffer, out.counters);
  out.transmit.send(packet.m, port);
}

inline void forward_clear(const PacketInfo& packet, const NextHop& next, const ClassifyOutputs& out) {
  const Headers& h = packet.headers;
  std::uint8_t* ip = ip_of(packet);
  if (ttl(ip, h.v4) <= 1) return drop(packet.m, Drop::kTtlExpired, out.counters);
  if (h.length > next.mtu) return drop(packet.m, Drop::kTooBig, out.counters);
  decrement_ttl(ip, h.v4);
  packet.m->data_off = static_cast<std::uint16_t>(packet.m->data_off + h.ip);
  packet.m->data_len = h.length;
  packet.m->pkt_len = h.length;
  ++out.counters.forwarded;
  out.neighbours.forward(packet.m, next, {.clear = true, .origin = packet.origin, .port = packet.port});
}

inline void wait_for_encapsulate(PacketIndex index, const OutboundSlot& slot, Burst& burst) {
  OutboundSa* sa = slot.sa.read();
  rte_prefetch0(sa);
  EncapsulateWork& work = burst.encapsulate.add();
  work.packet = index;
  work.slot = &slot;
  work.sa = sa;
}

inline void apply(const ClassifyWork& work, Burst& burst, const Tables& tables, const ClassifyOutputs& out) {
  const PacketInfo& packet = burst.packets[work.packet];
  const Decision& decision = work.decision;
  switch (decision.kind) {
    case Decision::Kind::kDrop:
      return drop(packet.m, decision.reason, out.counters);
    case Decision::Kind::kPunt:
      return punt_ip(packet, decision.port, tables, out);
    case Decision::Kind::kSend:
      return send_as_framed(packet, decision.port, out);
    case Decision::Kind::kProtect:
      return wait_for_encapsulate(work.packet, (*tables.outbound)[decision.index], burst);
    case Decision::Kind::kForward:
      return forward_clear(packet, tables.routes->next_hop(decision.index), out);
  }
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
  for (unsigned i = 0; i < n; ++i) apply(burst.classify[i], burst, tables, out);
  mark(clock, Stage::kRoute);
}

}  // namespace simplon::dp

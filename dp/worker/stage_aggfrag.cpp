// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/stage_aggfrag.h"

#include <algorithm>

#include "dp/ipsec/esp_in.h"
#include "dp/ipsec/outer_header.h"
#include "dp/worker/stage_receive.h"

namespace simplon::dp {
namespace {

// What stands behind a payload in its buffer: padding, trailer and ICV of ESP.
constexpr unsigned kBehind = 64;
// So many payloads may leave at once to make up for a turn that took long; what was missed beyond that is
// not made up for.
constexpr unsigned kMostLate = kBurst;

// RFC 6040 §4.2, as far as it holds for one packet of several: one that knows no ECN was not what made the
// payload say that it does.
void mark_congested(std::uint8_t* ip, bool v4) {
  constexpr std::uint8_t kCe = 3;
  const std::uint8_t ecn = traffic_class(ip, v4) & kCe;
  if (ecn != 0 && ecn != kCe) set_ecn(ip, v4, kCe);
}

void sort_one(const UnpackedPacket& unpacked, Burst& burst, const Tables& tables,
              const UnpackedOutputs& out) {
  InboundSa& sa = *unpacked.sa;
  const auto index = static_cast<PacketIndex>(burst.count);
  PacketInfo& packet = burst.packets[index];
  packet = {.m = unpacked.m,
            .headers = {},
            .origin = Origin::kDecrypted,
            .port = is_tunnel(sa.tunnel) ? sa.tunnel : unpacked.arrival.port,
            .spi = sa.spi};
  Drop bad = parse_ip(packet.m, 0, packet.headers);
  if (bad != Drop::kNone) return drop(packet.m, bad, out.counters);
  ++burst.count;
  if (unpacked.arrival.congested) mark_congested(ip_of(packet), packet.headers.v4);
  bad = check_selectors(sa, ip_of(packet), packet.headers);
  if (bad == Drop::kFragment) return burst.wait_for_reassemble(index, &sa);
  if (bad != Drop::kNone) {
    ++sa.selector_mismatch;
    out.audit.record(bad, packet, sa.spi, static_cast<std::uint32_t>(sa.window.top()), sa.id);
    return drop(packet.m, bad, out.counters);
  }
  const bool ipsec = packet.headers.protocol == kEsp || packet.headers.protocol == kAh;
  if (!ipsec || is_tunnel(packet.port)) return burst.wait_for_classify(index);
  set_came_by(packet.m, sa.policy);
  sort(index, tables, burst, out.counters);
}

// The SA of the policy is another one by now. What of a packet has begun to leave ends here, and the others
// go that way.
void give_up(AggfragOut& aggfrag, Burst& burst, const Tables& tables, Crypto& crypto,
             const EncapsulateOutputs& out) {
  burst.count = 0;
  while (!aggfrag.empty() && burst.count < kBurst) {
    const auto index = static_cast<PacketIndex>(burst.count);
    const QueuedPacket queued = aggfrag.take(out.aggfrag.pack_outputs());
    PacketInfo& packet = burst.packets[index];
    packet = {.m = queued.m, .headers = {}, .origin = queued.origin, .port = queued.port, .spi = {}};
    if (const Drop bad = parse_ip(queued.m, queued.ip, packet.headers); bad != Drop::kNone) {
      drop(queued.m, bad, out.counters);
      continue;
    }
    ++burst.count;
    burst.wait_for_encapsulate(index, aggfrag.slot(), aggfrag.slot().sa.read());
  }
  if (burst.count != 0) encapsulate(burst, tables, crypto, out, nullptr);
}

}  // namespace

std::size_t sort_unpacked(Burst& burst, const std::vector<UnpackedPacket>& packets, std::size_t at,
                          const Tables& tables, const UnpackedOutputs& out) {
  burst.count = 0;
  for (; at < packets.size() && burst.count < kBurst; ++at) sort_one(packets[at], burst, tables, out);
  return at;
}

unsigned send_payloads(AggfragOut& aggfrag, unsigned most, Burst& burst, const Tables& tables, Crypto& crypto,
                       const EncapsulateOutputs& out) {
  const PackOutputs pack = out.aggfrag.pack_outputs();
  OutboundSa& sa = aggfrag.sa();
  rte_mempool* const buffers = out.aggfrag.buffers();
  unsigned room = std::min<unsigned>(payload_room(sa, aggfrag.settings().packet),
                                     rte_pktmbuf_data_room_size(buffers) - RTE_PKTMBUF_HEADROOM - kBehind);
  if (most == kReport && !aggfrag.settings().padding && aggfrag.empty())
    room = std::min(room, kAggfragCongestionBytes + 1);  // the header, and a block of padding
  const bool full = most == kReport || (most != kAsPacketsTake && aggfrag.settings().padding);
  // A packet that has begun to leave ends with this SA, though its successor is there.
  const bool last = most != kAsPacketsTake && aggfrag.slot().sa.read() != &sa;
  const unsigned count = most == kAsPacketsTake ? kBurst : most == kReport ? 1 : std::min(most, kBurst);
  burst.count = 0;
  while (burst.count < count && (full || !aggfrag.empty())) {
    rte_mbuf* const m = rte_pktmbuf_alloc(buffers);
    const unsigned length = m == nullptr ? 0 : aggfrag.fill(bytes_of(m), room, full, last, pack);
    if (length == 0) {
      rte_pktmbuf_free(m);
      // No room for any packet, in the path or in memory: they do not wait for better times.
      if (!last) aggfrag.clear(m == nullptr ? Drop::kNoBuffer : Drop::kTooBig, pack);
      break;
    }
    m->data_len = static_cast<std::uint16_t>(length);
    m->pkt_len = length;
    ++out.counters.fragments;
    PacketInfo& payload = burst.add();
    payload = {.m = m, .headers = {}, .origin = Origin::kBundle, .port = {}, .spi = {}};
    payload.headers.length = static_cast<std::uint16_t>(length);
  }
  if (burst.count != 0) encapsulate_payloads(burst, sa, tables, crypto, out);
  return burst.count;
}

void send_due(AggfragOut& aggfrag, std::uint64_t now, Burst& burst, const Tables& tables, Crypto& crypto,
              const EncapsulateOutputs& out) {
  aggfrag.adapt(now);
  const std::uint64_t interval = aggfrag.interval();
  const bool padding = aggfrag.settings().padding;
  if (!tables.gateway_on) aggfrag.clear(Drop::kGatewayOff, out.aggfrag.pack_outputs());
  if (aggfrag.slot().sa.read() != &aggfrag.sa() && !aggfrag.begun()) {
    give_up(aggfrag, burst, tables, crypto, out);
    // It may be the one again, should its successor end before it.
    return out.aggfrag.put_due(aggfrag, aggfrag.empty() ? now + out.aggfrag.second() : now);
  }
  if (interval == 0) {
    // As the traffic comes; but it has to tell of what came.
    if (tables.gateway_on && now >= aggfrag.report_due(now))
      send_payloads(aggfrag, kReport, burst, tables, crypto, out);
    return out.aggfrag.put_due(aggfrag, std::max(aggfrag.report_due(now), now + out.aggfrag.second() / 1000));
  }
  const bool report = now >= aggfrag.report_due(now);
  if (now >= aggfrag.next_payload) {
    if (aggfrag.next_payload + kMostLate * interval < now) aggfrag.next_payload = now;
    const std::uint64_t behind = (now - aggfrag.next_payload) / interval;
    if (tables.gateway_on && (padding || report || !aggfrag.empty()))
      send_payloads(aggfrag, padding || !aggfrag.empty() ? static_cast<unsigned>(behind + 1) : kReport, burst,
                    tables, crypto, out);
    aggfrag.next_payload += (behind + 1) * interval;
  }
  if (padding || !aggfrag.empty()) return out.aggfrag.put_due(aggfrag, aggfrag.next_payload);
  if (const std::uint64_t due = aggfrag.report_due(now); due != kNever)
    out.aggfrag.put_due(aggfrag, std::max(due, aggfrag.next_payload));
}

}  // namespace simplon::dp

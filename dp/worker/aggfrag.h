// SPDX-License-Identifier: Apache-2.0
// What a worker keeps over its turns for its SAs of AGGFRAG (RFC 9347): packets that wait for their payload
// to leave, payloads that wait for one before them, and when either is due. The stages put packets in; what
// follows is done by stage_aggfrag.h. One thread: its worker.
//
// Bounded: each SA by its queue and its window, all of them by their parts of the buffers.
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <vector>

#include "dp/ipsec/aggfrag_in.h"
#include "dp/ipsec/aggfrag_out.h"
#include "dp/tables/tables.h"
#include "dp/worker/burst.h"
#include "dp/worker/counters.h"

namespace simplon::dp {

class Aggfrag {
 public:
  // Of the buffers, which all workers share, all that wait take these parts.
  static constexpr unsigned kPartOut = 4, kPartIn = 8;

  // `second` in cycles of the TSC, like every `now`. `buffers` null: of a worker that has no SA. The
  // references outlive this.
  Aggfrag(rte_mempool* buffers, unsigned workers, std::uint64_t second, WorkerCounters& counters);
  Aggfrag(const Aggfrag&) = delete;
  Aggfrag& operator=(const Aggfrag&) = delete;

  // SAs that came, and that went, of which nothing is kept then.
  void take_news(AggfragNews& news) {
    if (!news.empty()) take_all(news);
  }

  // A packet of this SA, which takes it; dropped if there is no room.
  void send(const PacketInfo& packet, const OutboundSa& sa);
  // An authentic packet of this SA: `packet.headers` say where its payload is. Or one that is something else,
  // whose number counts nevertheless.
  void receive(const PacketInfo& packet, InboundSa& sa, const EspPacket& esp);
  void skip(InboundSa& sa, std::uint64_t seq);

  // Nothing is to be sent, and nothing waits for its time.
  bool idle() const { return dirty_ == nullptr && due_.empty(); }
  std::uint64_t next_due() const { return due_.first(); }
  // So much waits that it should leave before the turn ends.
  bool is_pressed() const { return pressed_; }
  unsigned waiting() const { return out_budget_.used + held_; }

  // ---- for stage_aggfrag ----
  // The next SA whose payloads leave as the traffic comes; null: there is none.
  AggfragOut* take_dirty();
  // The next SA that is due. Of an inbound one all that is to be done is done here.
  AggfragOut* take_due(std::uint64_t now);
  void put_due(AggfragState& state, std::uint64_t due) { due_.put(state, due); }
  std::vector<UnpackedPacket>& unpacked() { return unpacked_; }
  PackOutputs pack_outputs() { return {out_budget_, counters_.reassembled, counters_.dropped}; }
  rte_mempool* buffers() const { return buffers_; }
  std::uint64_t second() const { return second_; }

 private:
  void take_all(AggfragNews& news);
  void arrived(AggfragState& state, std::uint64_t now);
  void report(AggfragOut& out, std::uint64_t now);
  void left(AggfragState& state);
  void receive(AggfragIn& in, std::uint64_t seq, const AggfragIn::Payload& payload);
  UnpackOutputs unpack_outputs() {
    return {buffers_, unpacked_, in_budget_, counters_.reassembled, counters_.fragments, counters_.dropped};
  }

  rte_mempool* const buffers_;
  const std::uint64_t second_;
  WorkerCounters& counters_;
  AggfragBudget out_budget_, in_budget_;
  unsigned held_ = 0;  // payloads that wait for one before them
  DueQueue due_;
  AggfragOut* dirty_ = nullptr;
  bool pressed_ = false;
  std::vector<UnpackedPacket> unpacked_;
};

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// The packets of one outbound SA of AGGFRAG that wait for a payload, and how they are put into one (RFC 9347
// §2.2.2). One thread: the SA's owner.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <vector>

#include "dp/base/counter.h"
#include "dp/base/network_spec.h"
#include "dp/ipsec/aggfrag.h"
#include "dp/ipsec/aggfrag_feedback.h"
#include "dp/ipsec/aggfrag_state.h"
#include "dp/ipsec/rate_control.h"
#include "dp/packet/drop.h"
#include "dp/packet/packet.h"

namespace simplon::dp {

struct OutboundSa;
struct OutboundSlot;  // dp/tables/tables.h

// Packets that wait for one SA, at most.
inline constexpr unsigned kAggfragQueue = 512;

// What a packet needs that is put into a payload later, or goes another way after all.
struct QueuedPacket {
  rte_mbuf* m = nullptr;
  std::uint16_t ip = 0, length = 0;  // where its header is, and the octets from there on
  Origin origin{};
  PortIndex port{};
  bool hop = false;  // it is forwarded, so its TTL is decremented
};

// The worker's.
struct PackOutputs {
  AggfragBudget& budget;  // of what waits
  Counter& packed;        // packets that are in payloads now
  std::array<Counter, kDropReasons>& dropped;
};

class AggfragOut : public AggfragState {
 public:
  struct Settings {
    std::uint16_t packet = 0;    // as AggfragOptions has it
    std::uint64_t interval = 0;  // between two payloads, in cycles of the TSC; 0: as the traffic comes
    bool padding = false, whole = false, congestion = false;
    double most = 0;           // packets in a second, where the path may bear less; 0: it is not asked
    std::uint64_t second = 0;  // in cycles of the TSC, like every `now`
    unsigned header_bytes() const { return congestion ? kAggfragCongestionBytes : kAggfragBytes; }
  };
  // `feedback` outlives it; null: where there is no congestion control. So does `news`, the owner's; null: it
  // cannot be woken.
  AggfragOut(OutboundSa* sa, const OutboundSlot* slot, const Settings& settings,
             AggfragFeedback* feedback = nullptr, Inbox<Notice>* news = nullptr);
  ~AggfragOut() override;
  // For the owner: the SA is gone, and is not woken by who begins to now.
  void depart();

  OutboundSa& sa() const { return *sa_; }
  const OutboundSlot& slot() const { return *slot_; }
  const Settings& settings() const { return settings_; }
  unsigned waiting() const { return count_; }
  bool empty() const { return count_ == 0; }
  // A part of the first packet has left.
  bool begun() const { return done_ != 0; }

  // False: there is no room.
  bool put(const QueuedPacket& packet, const PackOutputs& out);
  QueuedPacket take(const PackOutputs& out);  // the first, of which no part has left
  // Writes one payload of at most `room` octets with its header, filled up with padding if `full`; how many.
  // 0: there is nothing to send. `last`: nothing is put behind the rest of a packet that has begun.
  unsigned fill(std::uint8_t* to, unsigned room, bool full, bool last, const PackOutputs& out);

  // Cycles between two payloads at the rate of now; 0: as the traffic comes.
  std::uint64_t interval() const { return interval_; }
  // Takes what was reported since the last call.
  void adapt(std::uint64_t now);
  // When a payload has to leave for what it reports, at the latest, or is to be asked for again: what came
  // since the last one is told within a round trip (RFC 9347 §2.4.2). Where nothing has come for long that is
  // much later, but the inbound SA wakes this one when something comes (AggfragFeedback::asleep). kNever:
  // there is nothing to tell.
  std::uint64_t report_due(std::uint64_t now);
  void clear(Drop reason, const PackOutputs& out);
  // Payloads that left with a packet, or a part of one. The owner counts.
  void count_carried() { ++carried_; }
  std::uint64_t carried() const { return carried_; }

  std::uint64_t next_payload = 0;  // at a rate: not before then
  // In the worker's list of those that have something to send.
  bool dirty = false;
  AggfragOut* next_dirty = nullptr;

 private:
  QueuedPacket& first() { return queue_[head_ % kAggfragQueue]; }
  void copy(std::uint8_t* to, unsigned octets);
  void pop(const PackOutputs& out);
  CongestionInfo congestion(std::uint64_t now);
  void set_interval();
  std::uint64_t microseconds(std::uint64_t cycles) const { return cycles / (settings_.second / 1'000'000); }

  OutboundSa* const sa_;
  const OutboundSlot* const slot_;
  const Settings settings_;
  std::vector<QueuedPacket> queue_;
  unsigned head_ = 0, count_ = 0;
  unsigned done_ = 0;  // octets of the first packet that have left

  AggfragFeedback* const feedback_;
  std::uint64_t interval_;
  RateControl control_;
  std::uint64_t reports_ = 0;                 // of AggfragFeedback, as last seen
  std::uint64_t told_ = 0, told_marked_ = 0;  // of what came, as last reported
  std::uint64_t told_at_ = 0;
  std::uint64_t asleep_at_ = 0;  // see report_due()
  Counter carried_;
};

}  // namespace simplon::dp

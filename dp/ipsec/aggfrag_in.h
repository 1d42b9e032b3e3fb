// SPDX-License-Identifier: Apache-2.0
// The payloads of one inbound SA of AGGFRAG, put into the order of their sequence numbers (RFC 9347 §2.2.3):
// one that came early waits, at most so long and behind so many, for those before it. One thread: the SA's
// owner.
#pragma once

#include <cstdint>
#include <vector>

#include "dp/ipsec/aggfrag.h"
#include "dp/ipsec/aggfrag_feedback.h"
#include "dp/ipsec/aggfrag_unpack.h"
#include "dp/ipsec/loss_events.h"

namespace simplon::dp {

class AggfragIn : public AggfragState {
 public:
  struct Settings {
    unsigned window;             // payloads that may wait
    std::uint64_t wait, second;  // in cycles of the TSC, like every `now`
  };
  // `feedback` outlives it; null: nobody is told.
  AggfragIn(InboundSa* sa, SaId id, const Settings& settings, AggfragFeedback* feedback);
  ~AggfragIn() override;

  // This number and those before it are not waited for: another had the SA until then. Before take().
  void start_after(std::uint64_t seq) { next_ = seq + 1; }

  // Authentic, and not seen before. Without an mbuf: there is nothing to open in it, but its number counts.
  struct Payload {
    rte_mbuf* m = nullptr;
    std::uint16_t at = 0, length = 0;
    AggfragArrival arrival = {};
  };
  void take(std::uint64_t seq, const Payload& payload, std::uint64_t now, const UnpackOutputs& out);
  // When expire() has something to do; kNever: not before the next payload.
  std::uint64_t due_at() const;
  void expire(std::uint64_t now, const UnpackOutputs& out);
  // Drops what waits.
  void clear(const UnpackOutputs& out);

  unsigned waiting() const { return held_; }
  std::uint64_t lost() const { return lost_; }
  // Payloads that came with a packet, or a part of one.
  std::uint64_t carried() const { return carried_; }

 private:
  struct Place {
    Payload payload;
    std::uint64_t when = 0;
    bool there = false;
  };
  Place& place(std::uint64_t seq) { return places_[seq % places_.size()]; }
  void advance(const UnpackOutputs& out);
  void advance_to(std::uint64_t seq, const UnpackOutputs& out);
  void drain(const UnpackOutputs& out);
  void find_longest();
  void open(std::uint64_t seq, const Payload& payload, std::uint64_t when, const UnpackOutputs& out);
  std::uint64_t microseconds(std::uint64_t cycles) const { return cycles / (settings_.second / 1'000'000); }
  void note_arrival(const Payload& payload, std::uint64_t now);
  void sample_rtt(const CongestionInfo& info, std::uint64_t now);
  void count_loss(std::uint64_t seq, std::uint64_t when, bool marked);

  const Settings settings_;
  const SaId id_;
  AggfragFeedback* const feedback_;
  AggfragUnpacker unpacker_;
  LossEvents losses_;
  std::vector<Place> places_;
  std::uint64_t next_ = 1;  // the number that is to be opened next
  unsigned held_ = 0;       // payloads with an mbuf, in places_; they take as many of the budget
  unsigned early_ = 0;      // places that are taken
  std::uint64_t now_ = 0;
  std::uint64_t longest_ = 0;  // since when the payload waits that came first
  std::uint64_t grown_ = 0;    // when a packet of which a part is there last got more of it
  Counter lost_;               // numbers that did not come
  Counter carried_;
};

}  // namespace simplon::dp

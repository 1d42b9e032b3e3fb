// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/aggfrag_in.h"

#include <algorithm>

#include "dp/ipsec/aggfrag.h"
#include "dp/packet/packet.h"
#include "dp/sa/limits.h"

namespace simplon::dp {

AggfragIn::AggfragIn(InboundSa* sa, SaId id, const Settings& settings, AggfragFeedback* feedback)
    : AggfragState(Direction::kIn),
      settings_(settings),
      id_(id),
      feedback_(feedback),
      unpacker_(sa),
      places_(settings.window + 1) {}

AggfragIn::~AggfragIn() {
  for (const Place& p : places_)
    if (p.there) rte_pktmbuf_free(p.payload.m);
}

void AggfragIn::take(std::uint64_t seq, const Payload& payload, std::uint64_t now, const UnpackOutputs& out) {
  now_ = now;
  const std::uint64_t before = next_;
  if (payload.m != nullptr && !is_padding_alone({bytes_of(payload.m) + payload.at, payload.length}))
    ++carried_;
  if (feedback_ != nullptr && payload.m != nullptr) note_arrival(payload, now);
  if (seq < next_) {
    if (payload.m == nullptr) return;
    ++out.dropped[static_cast<std::size_t>(Drop::kAggfragLate)];
    return rte_pktmbuf_free(payload.m);
  }
  if (seq - next_ > settings_.window) advance_to(seq - settings_.window, out);
  if (seq != next_ && payload.m != nullptr) {
    // Without room for it those before it are waited for no longer.
    out.budget.take() ? void(++held_) : advance_to(seq, out);
  }
  if (seq == next_) {
    ++next_;
    open(seq, payload, now, out);
  } else {
    ++early_;
    place(seq) = {payload, now, true};
  }
  drain(out);
  // What came just now has not waited for longer than others.
  if (next_ != before || early_ == 1) find_longest();
}

// Opens the next number, or does without it.
void AggfragIn::advance(const UnpackOutputs& out) {
  Place& p = place(next_++);
  if (!p.there) {
    ++lost_;
    return unpacker_.lose(out);
  }
  p.there = false;
  --early_;
  if (p.payload.m != nullptr) {
    --held_;
    out.budget.give();
  }
  open(next_ - 1, p.payload, p.when, out);
}

void AggfragIn::advance_to(std::uint64_t seq, const UnpackOutputs& out) {
  while (next_ != seq && early_ != 0) advance(out);
  if (next_ == seq) return;
  lost_ += seq - next_;
  next_ = seq;
  unpacker_.lose(out);
}

void AggfragIn::drain(const UnpackOutputs& out) {
  while (early_ != 0 && place(next_).there) advance(out);
}

void AggfragIn::find_longest() {
  // No payload waits for longer than configured, however many are missing before it.
  longest_ = ~std::uint64_t{0};
  unsigned left = early_;
  for (std::uint64_t seq = next_ + 1; left != 0; ++seq) {
    if (!place(seq).there) continue;
    longest_ = std::min(longest_, place(seq).when);
    --left;
  }
}

// What RFC 4303 §2.6 calls a dummy is not a part of the stream, and has no mbuf; but it came.
void AggfragIn::open(std::uint64_t seq, const Payload& payload, std::uint64_t when,
                     const UnpackOutputs& out) {
  if (feedback_ != nullptr) count_loss(seq, when, payload.arrival.congested);
  if (payload.m == nullptr) return;
  const Bytes all(bytes_of(payload.m) + payload.at, payload.length);
  const unsigned had = unpacker_.partial();
  if (const auto header = read_aggfrag_header(all)) {
    AggfragArrival arrival = payload.arrival;
    if (header->congestion) arrival.congested = false;  // its sender hears of it, and slows down
    unpacker_.open(all.subspan(header->bytes), header->offset, arrival, out);
    ++out.opened;
  } else {
    unpacker_.lose(out);
    ++out.dropped[static_cast<std::size_t>(Drop::kMalformed)];
  }
  if (unpacker_.partial() != had) grown_ = now_;
  rte_pktmbuf_free(payload.m);
}

// What is to be known when it comes, whenever it is opened: for how long its TVal was kept, and how long ours
// took to come back.
void AggfragIn::note_arrival(const Payload& payload, std::uint64_t now) {
  const auto header = read_aggfrag_header({bytes_of(payload.m) + payload.at, payload.length});
  bool taken = false;
  if (!header || !header->congestion || !feedback_->claim(id_, taken)) return;
  if (taken) {
    LossEvents::History history{.events = feedback_->events};
    std::ranges::copy(feedback_->intervals, history.intervals.begin());
    losses_.go_on(history);
  }
  const CongestionInfo& info = *header->congestion;
  const std::uint64_t at = microseconds(now);
  feedback_->peer_rtt = info.rtt;
  feedback_->peer_gap = info.transmit_delay;
  if (info.value != 0 && info.value != static_cast<std::uint32_t>(feedback_->echo >> 32)) {
    feedback_->echo_at = at;
    feedback_->echo = std::uint64_t{info.value} << 32 | static_cast<std::uint32_t>(at);
  }
  sample_rtt(info, at);
  feedback_->reported_interval = info.loss_interval;
  ++feedback_->reports;
}

// RFC 5348 §4.3: a tenth of what is new. Once for each TVal of ours, and not where the peer cannot say for
// how long it had it.
void AggfragIn::sample_rtt(const CongestionInfo& info, std::uint64_t now) {
  if (info.echo == 0 || info.echo == feedback_->sampled || info.echo_delay >= kMostAggfragDelay) return;
  const std::uint32_t sample = static_cast<std::uint32_t>(now) - info.echo - info.echo_delay;
  if (sample == 0 || sample > kMostRtt) return;
  feedback_->sampled = info.echo;
  const std::uint32_t was = feedback_->rtt;
  feedback_->rtt = was == 0 ? sample : static_cast<std::uint32_t>((std::uint64_t{was} * 9 + sample) / 10);
}

void AggfragIn::count_loss(std::uint64_t seq, std::uint64_t when, bool marked) {
  if (feedback_->writer.load(std::memory_order_relaxed) != static_cast<std::uint64_t>(id_)) return;
  const std::uint32_t rtt = feedback_->peer_rtt != 0 ? feedback_->peer_rtt : feedback_->rtt;
  losses_.received(seq, microseconds(when), rtt, feedback_->peer_gap, marked);
  if (marked) ++feedback_->marked;
  feedback_->interval = losses_.interval();
  const LossEvents::History history = losses_.history();
  feedback_->events = history.events;
  for (std::size_t i = 0; i < history.intervals.size(); ++i) feedback_->intervals[i] = history.intervals[i];
  ++feedback_->payloads;
  feedback_->wake();
}

std::uint64_t AggfragIn::due_at() const {
  if (early_ != 0) return longest_ + settings_.wait;
  return unpacker_.partial() != 0 ? grown_ + settings_.second : kNever;
}

void AggfragIn::expire(std::uint64_t now, const UnpackOutputs& out) {
  if (now < due_at()) return;
  now_ = now;
  if (early_ == 0) return unpacker_.lose(out);
  while (early_ != 0 && now >= due_at()) {
    while (!place(next_).there) advance(out);
    drain(out);
    find_longest();
  }
}

void AggfragIn::clear(const UnpackOutputs& out) {
  for (Place& p : places_) {
    if (!p.there) continue;
    p.there = false;
    if (p.payload.m == nullptr) continue;
    ++out.dropped[static_cast<std::size_t>(Drop::kAggfragLost)];
    rte_pktmbuf_free(p.payload.m);
  }
  out.budget.give(held_);
  held_ = early_ = 0;
  unpacker_.lose(out);
}

}  // namespace simplon::dp

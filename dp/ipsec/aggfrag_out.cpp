// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/aggfrag_out.h"

#include <rte_cycles.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "dp/sa/limits.h"

namespace simplon::dp {
namespace {

// With fewer octets of a packet its receiver could not know how long it is.
constexpr unsigned kLeastPiece = 8;

}  // namespace

AggfragOut::AggfragOut(OutboundSa* sa, const OutboundSlot* slot, const Settings& settings,
                       AggfragFeedback* feedback, Inbox<Notice>* news)
    : AggfragState(Direction::kOut, news),
      sa_(sa),
      slot_(slot),
      settings_(settings),
      queue_(kAggfragQueue),
      feedback_(feedback),
      interval_(settings.interval),
      control_(settings.most, feedback == nullptr ? 0 : feedback->rate.get()) {
  if (settings.most != 0) set_interval();
  if (feedback == nullptr) return;
  reports_ = feedback->reports;
  told_marked_ = feedback->marked;
}

AggfragOut::~AggfragOut() {
  for (; count_ != 0; --count_) rte_pktmbuf_free(queue_[head_++ % kAggfragQueue].m);
}

bool AggfragOut::put(const QueuedPacket& packet, const PackOutputs& out) {
  if (count_ == kAggfragQueue || !out.budget.take()) return false;
  queue_[(head_ + count_++) % kAggfragQueue] = packet;
  return true;
}

QueuedPacket AggfragOut::take(const PackOutputs& out) {
  const QueuedPacket packet = first();
  ++head_;
  --count_;
  out.budget.give();
  return packet;
}

void AggfragOut::pop(const PackOutputs& out) {
  rte_pktmbuf_free(take(out).m);
  done_ = 0;
  ++out.packed;
}

// The next octets of the first packet. Its TTL is decremented when it begins to leave, so that it can go
// another way until then.
void AggfragOut::copy(std::uint8_t* to, unsigned octets) {
  QueuedPacket& packet = first();
  std::uint8_t* ip = bytes_of(packet.m) + packet.ip;
  if (done_ == 0 && packet.hop) decrement_ttl(ip, ip[0] >> 4 == 4);
  std::memcpy(to, ip + done_, octets);
  done_ += octets;
}

unsigned AggfragOut::fill(std::uint8_t* to, unsigned room, bool full, bool last, const PackOutputs& out) {
  AggfragHeader header{.bytes = settings_.header_bytes(), .congestion = {}};
  if (room <= header.bytes) return 0;
  unsigned at = header.bytes;
  if (done_ != 0) {
    const unsigned rest = first().length - done_, here = std::min(rest, room - at);
    header.offset = static_cast<std::uint16_t>(rest);
    copy(to + at, here);
    at += here;
    if (here == rest) pop(out);
  }
  while (!last && done_ == 0 && count_ != 0) {
    const unsigned length = first().length, left = room - at;
    if (length <= left) {
      copy(to + at, length);
      at += length;
      pop(out);
    } else if (settings_.whole && length > room - header.bytes) {
      // The path has become smaller since it was queued.
      rte_pktmbuf_free(take(out).m);
      ++out.dropped[static_cast<std::size_t>(Drop::kTooBig)];
    } else if (settings_.whole || left < kLeastPiece) {
      break;
    } else {
      copy(to + at, left);
      at = room;
    }
  }
  if (full) {
    std::memset(to + at, 0, room - at);
    at = room;
  }
  if (at == header.bytes) return 0;
  if (settings_.congestion) header.congestion = congestion(rte_rdtsc());
  write_aggfrag_header(header, to);
  return at;
}

// RFC 9347 §6.1.2.
CongestionInfo AggfragOut::congestion(std::uint64_t cycles) {
  const std::uint64_t now = microseconds(cycles);
  CongestionInfo out;
  out.transmit_delay =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(microseconds(interval_), kMostAggfragDelay));
  out.value = static_cast<std::uint32_t>(now);
  if (out.value == 0) out.value = 1;
  if (feedback_ == nullptr) return out;
  if (settings_.most != 0) control_.sent(now);
  // What came after this look is told the next time.
  told_ = feedback_->payloads;
  told_at_ = cycles;
  const std::uint64_t marked = feedback_->marked;
  out.congested = std::exchange(told_marked_, marked) != marked;
  out.loss_interval = feedback_->interval;
  out.rtt = feedback_->rtt;
  const std::uint64_t echo = feedback_->echo;
  out.echo = static_cast<std::uint32_t>(echo >> 32);
  out.echo_delay = static_cast<std::uint32_t>(now) - static_cast<std::uint32_t>(echo);
  if (now - feedback_->echo_at >= kMostAggfragDelay) out.echo_delay = kMostAggfragDelay;
  return out;
}

std::uint64_t AggfragOut::report_due(std::uint64_t now) {
  if (!settings_.congestion || feedback_ == nullptr) return kNever;
  // As the peer has measured it, who waits for it; not more often than is of use.
  const std::uint64_t rtt = feedback_->peer_rtt != 0 ? feedback_->peer_rtt : feedback_->rtt;
  const std::uint64_t every = rtt == 0 ? settings_.second / 100 : rtt * (settings_.second / 1'000'000);
  const std::uint64_t most = std::clamp(every, settings_.second / 2000, settings_.second);
  if (feedback_->payloads != told_) return told_at_ + most;
  constexpr std::uint64_t kRecent = 16;
  if (now - told_at_ < kRecent * most) return now + most;
  // Nothing has come for long. Who counts a payload at this moment may not see yet that this one sleeps, so
  // that there is one more look soon.
  const std::uint64_t soon = std::max(most, settings_.second / 100);
  if (!can_be_woken()) return now + soon;
  if (feedback_->asleep.load(std::memory_order_relaxed) != this) {
    feedback_->asleep.store(this);
    asleep_at_ = now;
  }
  return now + (now - asleep_at_ < soon ? soon : settings_.second);
}

void AggfragOut::depart() {
  AggfragState* self = this;
  if (feedback_ != nullptr) feedback_->asleep.compare_exchange_strong(self, nullptr);
}

void AggfragOut::set_interval() {
  interval_ = static_cast<std::uint64_t>(static_cast<double>(settings_.second) / control_.rate());
}

void AggfragOut::adapt(std::uint64_t now) {
  if (settings_.most == 0 || feedback_ == nullptr) return;
  const std::uint64_t at = microseconds(now), reports = feedback_->reports;
  if (std::exchange(reports_, reports) != reports)
    control_.report(feedback_->reported_interval, feedback_->rtt, at, settings_.padding || count_ != 0);
  control_.look(at);
  feedback_->rate = static_cast<float>(control_.rate());
  set_interval();
}

void AggfragOut::clear(Drop reason, const PackOutputs& out) {
  while (count_ != 0) {
    rte_pktmbuf_free(take(out).m);
    ++out.dropped[static_cast<std::size_t>(reason)];
  }
  done_ = 0;
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/aggfrag.h"

#include <rte_cycles.h>

#include <algorithm>
#include <utility>

namespace simplon::dp {
namespace {

constexpr std::uint8_t kCongestionExperienced = 3;

unsigned part(const rte_mempool* buffers, unsigned part_of, unsigned workers) {
  return buffers == nullptr ? 0 : buffers->size / (part_of * std::max(workers, 1u));
}

}  // namespace

Aggfrag::Aggfrag(rte_mempool* buffers, unsigned workers, std::uint64_t second, WorkerCounters& counters)
    : buffers_(buffers),
      second_(second),
      counters_(counters),
      out_budget_{.most = part(buffers, kPartOut, workers)},
      in_budget_{.most = part(buffers, kPartIn, workers)} {
  unpacked_.reserve(kMostUnpacked);
}

void Aggfrag::take_all(AggfragNews& news) {
  const std::uint64_t now = rte_rdtsc();
  for (AggfragState::Notice *n = news.take(), *next = nullptr; n != nullptr; n = next) {
    next = n->next;
    switch (n->kind) {
      case AggfragState::Notice::Kind::kArrival:
        arrived(*n->of, now);
        break;
      case AggfragState::Notice::Kind::kDeparture:
        left(*n->of);
        break;
      case AggfragState::Notice::Kind::kReport:
        n->of->awake();
        if (!n->of->departed) report(static_cast<AggfragOut&>(*n->of), now);
        break;
    }
  }
}

// One with padding sends from now on, whether there is traffic or not.
void Aggfrag::arrived(AggfragState& state, std::uint64_t now) {
  if (state.direction == Direction::kIn) return;
  auto& out = static_cast<AggfragOut&>(state);
  if (out.settings().padding)
    due_.put(state, out.next_payload = now + out.interval());
  else if (const std::uint64_t due = out.report_due(now); due != kNever)
    due_.put(state, due);
}

// What came while the SA slept is to be told.
void Aggfrag::report(AggfragOut& out, std::uint64_t now) {
  const std::uint64_t due = out.report_due(now);
  if (!out.queued || due < out.due) due_.put(out, due);
}

void Aggfrag::left(AggfragState& state) {
  due_.remove(state);
  state.departed = true;
  if (state.direction == Direction::kOut) {
    auto& out = static_cast<AggfragOut&>(state);
    out.depart();
    out.clear(Drop::kNoSa, pack_outputs());
    return;
  }
  auto& in = static_cast<AggfragIn&>(state);
  held_ -= in.waiting();
  in.clear(unpack_outputs());
}

void Aggfrag::send(const PacketInfo& packet, const OutboundSa& sa) {
  AggfragOut& out = *sa.aggfrag;
  const QueuedPacket queued{.m = packet.m,
                            .ip = packet.headers.ip,
                            .length = packet.headers.length,
                            .origin = packet.origin,
                            .port = packet.port,
                            .hop = !packet.from_host()};
  if (!out.put(queued, pack_outputs())) return drop(packet.m, Drop::kAggfragQueueFull, counters_);
  if (out.interval() != 0) {
    const std::uint64_t due = std::max(out.next_payload, rte_rdtsc());
    // Time that passed without traffic is not made up for.
    if (!out.settings().padding && out.waiting() == 1) out.next_payload = due;
    if (!out.queued || due < out.due) due_.put(out, due);
    return;
  }
  if (!std::exchange(out.dirty, true)) out.next_dirty = std::exchange(dirty_, &out);
  pressed_ |= out.waiting() >= kAggfragQueue / 2 || out_budget_.used >= out_budget_.most / 2;
}

AggfragOut* Aggfrag::take_dirty() {
  AggfragOut* const out = dirty_;
  if (out == nullptr) return nullptr;
  dirty_ = std::exchange(out->next_dirty, nullptr);
  if (dirty_ == nullptr) pressed_ = false;
  out->dirty = false;
  return out;
}

AggfragOut* Aggfrag::take_due(std::uint64_t now) {
  // What many SAs bring at once leaves a turn later.
  while (unpacked_.size() < kMostUnpacked / 2) {
    DueNode* const node = due_.take(now);
    if (node == nullptr) return nullptr;
    auto& state = static_cast<AggfragState&>(*node);
    if (state.direction == Direction::kOut) return &static_cast<AggfragOut&>(state);
    auto& in = static_cast<AggfragIn&>(state);
    held_ -= in.waiting();
    in.expire(now, unpack_outputs());
    held_ += in.waiting();
    if (const std::uint64_t due = in.due_at(); due != kNever) due_.put(in, due);
  }
  return nullptr;
}

void Aggfrag::receive(AggfragIn& in, std::uint64_t seq, const AggfragIn::Payload& payload) {
  held_ -= in.waiting();
  in.take(seq, payload, rte_rdtsc(), unpack_outputs());
  held_ += in.waiting();
  // What is queued for an earlier time is looked at then, and put back.
  const std::uint64_t due = in.due_at();
  if (due != kNever && (!in.queued || due < in.due)) due_.put(in, due);
}

void Aggfrag::receive(const PacketInfo& packet, InboundSa& sa, const EspPacket& esp) {
  receive(*sa.aggfrag, esp.seq,
          {.m = packet.m,
           .at = packet.headers.payload,
           .length = packet.headers.length,
           .arrival = {.port = packet.port, .congested = esp.ecn == kCongestionExperienced}});
}

void Aggfrag::skip(InboundSa& sa, std::uint64_t seq) { receive(*sa.aggfrag, seq, {}); }

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// What the SAs of AGGFRAG of one policy tell one another for congestion control (RFC 9347 §3): what came in
// is reported by what goes out, and what is reported by what comes in holds the rate of what goes out down.
// The SAs may be different workers', and are replaced one after the other, while this stays.
//
// Each number has one writer at a time: the owner of the newest inbound SA that has received something, and
// the owner of the outbound SA. Times are microseconds of the TSC.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dp/base/counter.h"
#include "dp/base/sa_spec.h"
#include "dp/ipsec/aggfrag_state.h"
#include "dp/ipsec/loss_events.h"

namespace simplon::dp {

struct AggfragFeedback {
  // Whether the inbound SA may write from now on: one that is older than another that has written may not.
  // `taken`: it was another one until now.
  bool claim(SaId inbound, bool& taken) {
    const auto id = static_cast<std::uint64_t>(inbound);
    std::uint64_t is = writer.load(std::memory_order_relaxed);
    taken = false;
    while (is < id)
      if (writer.compare_exchange_weak(is, id, std::memory_order_relaxed)) return taken = true;
    return is == id;
  }
  // The control thread's: the SA is gone, an older one may write again.
  void release(SaId inbound) {
    auto id = static_cast<std::uint64_t>(inbound);
    writer.compare_exchange_strong(id, 0, std::memory_order_relaxed);
  }

  std::atomic<std::uint64_t> writer{0};

  // ---- of the inbound SA ----
  Counter payloads, marked;               // that came, and of them that met congestion
  OneWriter<std::uint32_t> interval = 0;  // LossEvents::interval()
  OneWriter<std::uint32_t> events = 0;    // LossEvents::history()
  std::array<OneWriter<std::uint32_t>, LossEvents::kIntervals + 1> intervals{};
  Counter echo;     // the peer's last TVal, and when it first came (32 bits of the time)
  Counter echo_at;  // the same time, whole
  OneWriter<std::uint32_t> peer_rtt = 0, peer_gap = 0;
  // About what goes out.
  Counter reports;
  OneWriter<std::uint32_t> reported_interval = 0;
  OneWriter<std::uint32_t> sampled = 0;  // the TVal of ours that the last RTT is from
  OneWriter<std::uint32_t> rtt = 0;

  // The outbound SA whose owner looks no more whether something came, since nothing has for long. Who takes
  // it out of here wakes it.
  std::atomic<AggfragState*> asleep{nullptr};
  void wake() {
    if (asleep.load(std::memory_order_relaxed) == nullptr) return;
    if (AggfragState* const out = asleep.exchange(nullptr)) out->wake();
  }

  // ---- of the outbound SA ----
  OneWriter<float> rate = 0;  // packets in a second that the path bears; 0: not known yet
};

}  // namespace simplon::dp

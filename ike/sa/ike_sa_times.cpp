// SPDX-License-Identifier: Apache-2.0
// IkeSa: what time does to it: lifetimes, keepalives, liveness checks, and when it is to be woken.
#include <algorithm>
#include <utility>

#include "ike/sa/ike_sa.h"
#include "ike/sa/simultaneous.h"

namespace simplon::ike {
namespace {

constexpr std::chrono::seconds kHalfOpen{30};

}  // namespace

// Up to a tenth earlier, so that two ends with the same time do not meet.
void IkeSa::set_lifetime(Now now) {
  const milliseconds whole = peer().rekey_time;
  if (whole.count() == 0) return;
  times_.rekey_at =
      now + whole - milliseconds(context_.entropy.below(static_cast<std::uint64_t>(whole.count()) / 10 + 1));
  times_.expire_at = now + peer().rekey_time + peer().over_time;
}

void IkeSa::tick(Now now) {
  if (dead()) return;
  retransmit(now);
  if (dead()) return;
  if (authenticating() && !initiator() && now - times_.created >= kHalfOpen)
    return end("the initiator did not go on", now);
  children_.remove_old_inbound(now);
  if (times_.expire_at != Now{} && now >= times_.expire_at) {
    delete_without_waiting(std::nullopt, now);
    return end(
        replaced() ? "the replaced IKE SA was not deleted by the peer" : "the IKE SA was not rekeyed in time",
        now);
  }
  if (established() && !replaced()) tick_established(now);
}

void IkeSa::tick_established(Now now) {
  if (times_.keepalive_at != Now{} && now >= times_.keepalive_at) {
    times_.keepalive_at = now + kKeepalive;
    context_.outputs.emplace_back(Keepalive{path_.local, path_.remote});
  }
  if (times_.recheck_at != Now{} && now >= times_.recheck_at) {
    recheck_simultaneous_initiation(*this, now);
    if (!established()) return;
  }
  const auto liveness = liveness_due();
  std::vector<Task> due = children_.tick(now);
  if (times_.rekey_at != Now{} && now >= times_.rekey_at) {
    times_.rekey_at = {};
    due.emplace_back(RekeyIke{});
  }
  if (due.empty() && liveness && now >= *liveness) due.emplace_back(Liveness{});
  for (Task& task : due) tasks_.push(std::move(task));
  run_tasks(now);
}

// Something from the peer, be it ESP, within dpd_delay says that it lives; else it is asked (§2.4).
std::optional<Now> IkeSa::liveness_due() const {
  const bool idle =
      established() && !replaced() && !window_.pending() && !children_.attempt() && tasks_.empty();
  if (!idle || peer().dpd_delay.count() == 0) return std::nullopt;
  return times_.heard + peer().dpd_delay;
}

// Every time in it is one at which tick() does something: else the caller would spin.
std::optional<Now> IkeSa::deadline() const {
  if (dead()) return std::nullopt;
  std::optional<Now> soonest;
  const auto sooner = [&](std::optional<Now> at) {
    if (at && *at != Now{}) soonest = soonest ? std::min(*soonest, *at) : *at;
  };
  if (window_.pending()) sooner(window_.pending()->next);
  if (authenticating() && !initiator()) sooner(times_.created + kHalfOpen);
  sooner(children_.old_inbound_deadline());
  sooner(times_.expire_at);
  if (!established() || replaced()) return soonest;
  sooner(times_.rekey_at);
  sooner(times_.keepalive_at);
  sooner(times_.recheck_at);
  sooner(liveness_due());
  if (free()) sooner(tasks_.deadline());
  sooner(children_.deadline());
  return soonest;
}

}  // namespace simplon::ike

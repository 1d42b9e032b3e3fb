// SPDX-License-Identifier: Apache-2.0
// IkeSa: what time does to it: lifetimes, keepalives, liveness checks, and when it is to be woken.
#include <algorithm>
#include <utility>

#include "ike/sa/ike_sa.h"
#include "ike/sa/simultaneous.h"

namespace simplon::ike {
namespace {

constexpr std::chrono::seconds kHalfOpen{30};
// With EAP somebody may have to type a password: as long as the initiator goes on at all.
constexpr std::chrono::seconds kHalfOpenWithEap{150};
constexpr std::chrono::seconds kReauthenticateAgain{10};
constexpr unsigned kMostDoublings = 5;  // of it

}  // namespace

// Up to a tenth earlier, so that two ends with the same time do not meet.
void IkeSa::set_lifetime(Now now) {
  const milliseconds whole = peer().rekey_time;
  if (whole.count() == 0) return;
  times_.rekey_at =
      now + whole - milliseconds(context_.entropy.below(static_cast<std::uint64_t>(whole.count()) / 10 + 1));
  times_.expire_at = now + peer().rekey_time + peer().over_time;
}

// §2.8.3, RFC 4478: the initiator reauthenticates. Of the responder's time it is told, and where it does not
// keep to it the IKE SA ends.
void IkeSa::begin_authentication_life(Now now) {
  AuthenticationLife& auth = times_.auth;
  auth.ours = initiator();
  auth.since = now;
  const milliseconds whole = peer().reauth_time;
  if (whole.count() == 0) return;
  auth.until = now + whole + (auth.ours ? peer().over_time : seconds{0});
  if (auth.ours)
    reauthenticate_by(
        now + whole -
        milliseconds(context_.entropy.below(static_cast<std::uint64_t>(whole.count()) / 10 + 1)));
}

void IkeSa::reauthenticate_by(Now at) {
  Now& again = times_.auth.again_at;
  again = again == Now{} ? at : std::min(again, at);
}

// It is tried until a new IKE SA has taken the place of this one, each time later, with a quarter of jitter.
void IkeSa::tick_authentication(Now now) {
  AuthenticationLife& auth = times_.auth;
  if (auth.until != Now{} && now >= auth.until) {
    delete_without_waiting(std::nullopt, now);
    return end(
        auth.ours ? "the IKE SA was not reauthenticated in time" : "the peer did not reauthenticate in time",
        now);
  }
  if (auth.again_at == Now{} || now < auth.again_at) return;
  const milliseconds wait = kReauthenticateAgain * (1U << std::min(auth.tries++, kMostDoublings));
  auth.again_at =
      now + wait + milliseconds(context_.entropy.below(static_cast<std::uint64_t>(wait.count()) / 4 + 1));
  if (serving()) tasks_.push(Reauthenticate{});
}

Now IkeSa::half_open_until() const {
  if (!handshake_ || !handshake_->eap) return times_.created + kHalfOpen;
  if (window_.handling()) return times_.created + kHalfOpenWithEap;  // it waits for us
  return std::min(times_.heard + kHalfOpen, times_.created + kHalfOpenWithEap);
}

void IkeSa::tick(Now now) {
  if (dead()) return;
  retransmit(now);
  if (dead()) return;
  if (authenticating() && !initiator() && now >= half_open_until())
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
  tick_authentication(now);
  if (dead()) return;
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
  if (authenticating() && !initiator()) sooner(half_open_until());
  sooner(children_.old_inbound_deadline());
  sooner(times_.expire_at);
  if (!established() || replaced()) return soonest;
  sooner(times_.rekey_at);
  sooner(times_.keepalive_at);
  sooner(times_.recheck_at);
  sooner(times_.auth.again_at);
  sooner(times_.auth.until);
  sooner(liveness_due());
  if (free()) sooner(tasks_.deadline());
  sooner(children_.deadline());
  return soonest;
}

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/simultaneous.h"

#include <algorithm>
#include <utility>

#include "ike/sa/reauthentication.h"

namespace simplon::ike {
namespace {

// Two ends that initiated to each other within this time did so by accident.
constexpr std::chrono::seconds kSimultaneous{10};

std::string number(const IkeSa& sa) { return "#" + std::to_string(static_cast<unsigned>(sa.id())); }

bool simultaneous(const IkeSa& a, const IkeSa& b) {
  return &a != &b && b.serving() && b.established() && a.times().auth.ours != b.times().auth.ours &&
         a.remote_id() == b.remote_id() &&
         std::chrono::abs(a.times().auth.since - b.times().auth.since) <= kSimultaneous;
}

// False: `other` has not got all children of `sa`, which therefore stays.
bool yield_to(IkeSa& sa, IkeSa& other, Now now) {
  if (!std::ranges::all_of(sa.children().all(),
                           [&](const auto& c) { return other.has_child(c.second.config.name); }))
    return false;
  sa.log(LogLevel::kInfo, "both ends called each other: this IKE SA goes, " + number(other) + " stays");
  sa.mark(End::kClosing);
  hand_over_tasks(sa, other);
  hand_over_place(sa, other);
  sa.context().touched.insert({sa.id(), other.id()});
  sa.add_task(DeleteIke{}, now);
  other.run_tasks(now);
  return true;
}

}  // namespace

void hand_over_tasks(IkeSa& from, IkeSa& to) {
  const auto give = [&](CreateChild child, Now not_before = {}) {
    child.unless_up = true;
    to.tasks().push_later(std::move(child), not_before);
  };
  if (Handshake* h = from.handshake())
    for (CreateChild& child : std::exchange(h->children, {})) give(std::move(child));
  if (auto& attempt = from.children().attempt();
      attempt && !attempt->of_ike() && attempt->replaces == ChildSaId{})
    give({.child = attempt->config.name,
          .ticket = std::exchange(attempt->ticket, 0),
          .packet = attempt->packet,
          .dscp_class = attempt->dscp_class});
  for (auto& [task, not_before] : from.tasks().take_all()) {
    if (auto* create = std::get_if<CreateChild>(&task))
      give(std::move(*create), not_before);
    else if (!std::holds_alternative<Reauthenticate>(task))
      to.tasks().push_later(std::move(task), not_before);
  }
  if (Handshake* h = from.handshake())
    for (const std::uint64_t ticket : std::exchange(h->tickets, {})) from.context().finish(ticket, true);
}

IkeSa* established_meanwhile(const IkeSa& sa) {
  const auto all = sa.context().of(sa.peer().name);
  const AuthenticationLife& auth = sa.times().auth;
  const auto found = std::ranges::find_if(all, [&](const IkeSa* other) {
    return other != &sa && other->serving() && other->established() &&
           (auth.in_place_of == IkeSaId{} || other->times().auth.since > sa.times().created) &&
           sa.peer().remote_id.matches(other->remote_id());
  });
  return found == all.end() ? nullptr : *found;
}

void yield_before_auth(IkeSa& sa, IkeSa& other, Now now) {
  sa.log(LogLevel::kInfo, "the peer called us meanwhile: " + number(other) + " takes this IKE SA's place");
  hand_over_tasks(sa, other);
  hand_over_place(sa, other);
  sa.context().touched.insert(other.id());
  sa.close("the peer called us meanwhile", now);
  other.run_tasks(now);
}

void resolve_simultaneous_initiation(IkeSa& sa, Now now) {
  if (!sa.established()) return;
  for (IkeSa* other : sa.context().of(sa.peer().name)) {
    if (!simultaneous(sa, *other)) continue;
    IkeSa& mine = sa.times().auth.ours ? sa : *other;
    IkeSa& theirs = sa.times().auth.ours ? *other : sa;
    if (mine.spi_i() < theirs.spi_i()) {
      if (yield_to(mine, theirs, now)) return;
      continue;
    }
    mine.times().recheck_at = now + kSimultaneous;
    sa.context().touched.insert({mine.id(), theirs.id()});
    theirs.add_task(Liveness{}, now);
  }
}

// The peer has deleted neither. Ours goes, for whoever initiated may do so again when its own ends; unless
// the peer does not know the other any more (§2.4: our INITIAL_CONTACT may have met it).
void recheck_simultaneous_initiation(IkeSa& sa, Now now) {
  const Now asked = std::exchange(sa.times().recheck_at, Now{}) - kSimultaneous;
  if (!sa.serving()) return;
  for (IkeSa* theirs : sa.context().of(sa.peer().name)) {
    if (!simultaneous(sa, *theirs)) continue;
    const bool answers = !theirs->window().pending() || theirs->times().heard > asked;
    if (!answers)
      theirs->end("both ends called each other, and the peer does not answer in this IKE SA", now);
    else if (yield_to(sa, *theirs, now))
      return;
  }
}

}  // namespace simplon::ike

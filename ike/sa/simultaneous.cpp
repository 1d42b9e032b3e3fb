// Both ends called each other at once (RFC 7296 §2.4 knows of no such thing): of two IKE SAs with the same
// children one is enough, and its going must not take anything with it that somebody waits for.
#include <algorithm>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

// Who the peer of an IKE SA that is not authenticated yet is to be is up already: it called us meanwhile.
IkeSa* IkeSa::called_meanwhile() const {
  const auto all = core_.of(connection_->name);
  const auto found = std::ranges::find_if(all, [&](const IkeSa* other) {
    return other != this && other->serving() && other->established() &&
           connection_->remote_id.matches(other->remote_id_);
  });
  return found == all.end() ? nullptr : *found;
}

void IkeSa::stand_back(IkeSa& other, Now now) {
  log(LogLevel::kInfo, "the peer called us meanwhile: #" + std::to_string(static_cast<unsigned>(other.id_)) +
                           " takes this IKE SA's place");
  hand_over(other);
  core_.touched.insert(other.id_);
  close("the peer called us meanwhile", now);
  other.next_task(now);
}

// What this SA was to do yet the other one does. A child that is being made goes on here, but on nobody's
// behalf.
void IkeSa::hand_over(IkeSa& to) {
  const auto give = [&](CreateChild c) {
    c.unless_up = true;
    to.tasks_.emplace_back(std::move(c));
  };
  for (CreateChild& c : std::exchange(first_children_, {})) give(std::move(c));
  if (attempt_ && !attempt_->ike && attempt_->replaces == ChildSaId{})
    give({.child = attempt_->config.name,
          .ticket = std::exchange(attempt_->ticket, 0),
          .packet = attempt_->packet});
  for (Task& task : std::exchange(tasks_, {})) {
    if (auto* create = std::get_if<CreateChild>(&task))
      give(std::move(*create));
    else
      to.tasks_.push_back(std::move(task));
  }
  for (const std::uint64_t ticket : std::exchange(tickets_, {})) core_.finish(ticket, true);
}

bool IkeSa::crosses(const IkeSa& other) const {
  return &other != this && other.serving() && other.established() && other.initiator_ != initiator_ &&
         other.remote_id_ == remote_id_ &&
         std::chrono::abs(established_at_ - other.established_at_) <= kCrossing;
}

// False: the other has not got all that is in this one.
bool IkeSa::yield_to(IkeSa& other, Now now) {
  if (!std::ranges::all_of(children_, [&](const auto& c) { return other.has_child(c.second.config.name); }))
    return false;
  log(LogLevel::kInfo, "both ends called each other: this IKE SA goes, #" +
                           std::to_string(static_cast<unsigned>(other.id_)) + " stays");
  let_go();
  hand_over(other);
  core_.touched.insert({id_, other.id_});
  add_task(DeleteIke{}, now);
  other.next_task(now);
  return true;
}

// The one with the lower initiator's SPI goes, by its initiator's delete. That is our rule: a peer that knows
// it sees the same and deletes its own, any other keeps both.
void IkeSa::settle_crossing(Now now) {
  if (!established() || connection_ == nullptr) return;
  for (IkeSa* other : core_.of(connection_->name)) {
    if (!crosses(*other)) continue;
    IkeSa& mine = initiator_ ? *this : *other;
    IkeSa& theirs = initiator_ ? *other : *this;
    if (mine.spi_i_ < theirs.spi_i_) {
      if (mine.yield_to(theirs, now)) return;
      continue;
    }
    mine.recheck_at_ = now + kCrossing;
    core_.touched.insert({mine.id_, theirs.id_});
    theirs.add_task(Liveness{}, now);
  }
}

// The peer has deleted neither. Ours goes, for who called may call again when its own ends; unless the peer
// does not know theirs any more (§2.4: our INITIAL_CONTACT may have met it).
void IkeSa::recheck_crossing(Now now) {
  const Now asked = std::exchange(recheck_at_, Now{}) - kCrossing;
  if (!serving()) return;
  for (IkeSa* theirs : core_.of(connection_->name)) {
    if (!crosses(*theirs)) continue;
    const bool answers = !theirs->pending_ || theirs->heard_ > asked;
    if (!answers)
      theirs->end("both ends called each other, and the peer does not answer in this IKE SA", now);
    else if (yield_to(*theirs, now))
      return;
  }
}

}  // namespace simplon::ike

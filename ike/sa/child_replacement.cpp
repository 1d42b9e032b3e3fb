// SPDX-License-Identifier: Apache-2.0
// ChildSet: one child in place of another (RFC 7296 §2.8): which of two replacements stays, when the peer has
// the new one, and from when on we send through it.
#include <algorithm>
#include <utility>

#include "ike/sa/child_set.h"

namespace simplon::ike {
namespace {

// Whoever began the rekey deletes the replaced child. There are peers that forget it: then we do.
constexpr std::chrono::seconds kReplacedLives{60};
constexpr std::chrono::seconds kRekeyAgain{5};  // one whose replacement the peer deleted, plus jitter
// A peer that has not repeated its request for this long has our response, or has given up.
constexpr std::chrono::seconds kShown{30};
// After this long it has given up, whoever repeats the request.
constexpr std::chrono::seconds kGivenUp{180};

}  // namespace

void ChildSet::replace(Child& old, Child& by, Now now) {
  by.replaced = old.id;
  const bool first = old.state != ChildState::kRekeyed;  // else both ends replaced it, and this is the second
  old.state = ChildState::kRekeyed;
  old.expire_at = now + kReplacedLives;
  if (first) inherit_delete(old, by);
  context_.outputs.emplace_back(ChildEvent{UpDown::kRekeyed, owner_, by.id, old.id});
}

// Whoever wants the old child deleted means the new one by now.
void ChildSet::inherit_delete(const Child& from, Child& to) {
  to.leaving |= from.leaving;
  tasks_.retarget_deletes(from.id, to.id);
}

void ChildSet::note_rival(Child& theirs, Buffer lowest_nonce, Now now) {
  if (theirs.replaced == ChildSaId{}) return;
  if (replacing(theirs.replaced)) {
    attempt_->rival = theirs.id;
    attempt_->rival_nonce = std::move(lowest_nonce);
    return;
  }
  const auto made = std::ranges::find_if(children_, [&](const auto& c) {
    return c.second.ours && c.second.replaced == theirs.replaced && c.second.state == ChildState::kInstalled;
  });
  if (made != children_.end()) resolve(made->second, &theirs, lowest_nonce, now);
}

void ChildSet::resolve_simultaneous_rekey(Child& made, Buffer lowest_nonce, const Attempt& attempt, Now now) {
  made.lowest_nonce = std::move(lowest_nonce);
  if (attempt.rival == ChildSaId{}) return;
  // None: it may be replaced itself by now.
  resolve(made, find(attempt.rival), attempt.rival_nonce, now);
}

void ChildSet::resolve(Child& made, Child* theirs, const Buffer& their_nonce, Now now) {
  if (their_nonce <= made.lowest_nonce) {
    if (theirs == nullptr || theirs->state != ChildState::kInstalled) return;
    inherit_delete(*theirs, made);
    theirs->leaving = false;
    theirs->state = ChildState::kRekeyed;
    theirs->expire_at = now + kReplacedLives;
    return;
  }
  if (theirs != nullptr) inherit_delete(made, *theirs);
  drop_made(made);
  if (find(made.replaced) == nullptr) use_instead_of(made.replaced);
  tasks_.cancel_delete(made.replaced);
}

void ChildSet::drop_made(Child& made) {
  made.leaving = false;
  made.state = ChildState::kRekeyed;
  stop_sending(made);
  tasks_.push_first(DeleteChild{made.id, 0});
}

bool ChildSet::concluded(const Child& child) const {
  return child.replaced == ChildSaId{} || std::ranges::none_of(children_, [&](const auto& c) {
           return c.first == child.replaced || (c.first != child.id && c.second.replaced == child.replaced);
         });
}

bool ChildSet::attempt_done_by_peer() {
  if (attempt_->rival == ChildSaId{}) return false;
  context_.finish(attempt_->ticket, true, {}, attempt_->rival);
  attempt_.reset();
  return true;
}

void ChildSet::use_deferred(Child& child) { install_sa(std::exchange(child.deferred_out, nullptr), child); }

// Before the peer hears of its delete and does not receive with it any more.
void ChildSet::stop_sending(Child& child) {
  if (child.deferred_out) return;
  child.deferred_out = child.out;
  child.stopped = true;
  context_.outputs.emplace_back(RemoveSa{child.out->id});
}

void ChildSet::use_shown() {
  for (auto& [id, child] : children_)
    if (child.waits_to_send() && child.shown) use_deferred(child);
}

// At once, or in place of one that replaced it and has not been sent through either.
bool ChildSet::replaces(const Child& child, ChildSaId old) const {
  if (child.replaced == old) return true;
  const auto before = children_.find(child.replaced);
  return before != children_.end() && before->second.deferred_out && replaces(before->second, old);
}

void ChildSet::use_instead_of(ChildSaId old) {
  for (auto& [id, child] : children_)
    if (child.waits_to_send() && replaces(child, old)) use_deferred(child);
}

void ChildSet::peer_has_all() {
  for (const ChildSaId id : std::exchange(unshown_, {}))
    if (Child* const child = find(id)) child->shown = true;
}

bool ChildSet::peer_uses(SaId inbound, Now now) {
  const auto found =
      std::ranges::find_if(children_, [&](const auto& c) { return c.second.in->id == inbound; });
  if (found == children_.end()) return false;
  Child& child = found->second;
  child.used = now;
  if (std::erase(unshown_, child.id) == 0) return false;
  child.shown = true;
  use_shown();
  return true;
}

void ChildSet::request_repeated(Now now) {
  for (const ChildSaId id : unshown_)
    if (Child* const child = find(id)) child->asked = std::min(now, child->installed + kGivenUp);
}

bool ChildSet::may_name(const Child& child, Now now) { return child.shown || now >= child.asked + kShown; }

bool ChildSet::may_name_all(Now now) const {
  return std::ranges::all_of(unshown_, [&](ChildSaId id) {
    const auto child = children_.find(id);
    return child == children_.end() || may_name(child->second, now);
  });
}

// The peer made the replacement, and would have deleted the other one itself.
bool ChildSet::revive_replaced(const Child& from, Now now) {
  Child* const old = from.ours ? nullptr : find(from.replaced);
  if (old == nullptr || old->state != ChildState::kRekeyed || old->stopped) return false;
  if (std::ranges::any_of(children_, [&](const auto& c) {
        return c.first != from.id && c.second.replaced == old->id && c.second.state != ChildState::kRekeyed;
      }))
    return false;
  revive(*old, from, now);
  return true;
}

void ChildSet::revive(Child& child, const Child& instead_of, Now now) {
  const auto life = child.config.life.time;
  child.expire_at = life.count() != 0 ? child.installed + life : Now{};
  child.state = replacing(child.id) ? ChildState::kRekeying : ChildState::kInstalled;
  // Its own time may have passed while it was replaced.
  if (child.rekey_at <= now && (child.rekey_at != Now{} || child.config.rekey.time.count() != 0))
    child.rekey_at = now + kRekeyAgain + milliseconds(context_.entropy.below(3000));
  inherit_delete(instead_of, child);
  context_.outputs.emplace_back(ChildEvent{UpDown::kRekeyed, owner_, child.id, instead_of.id});
}

// Of two replacements the peer should have deleted its own (§2.8.1), but it goes on to send through it: it
// does not know the rule, and ours goes.
bool ChildSet::give_way(Child& theirs, Now now) {
  const auto found = std::ranges::find_if(children_, [&](const auto& c) {
    return c.second.ours && c.second.replaced == theirs.replaced && c.second.state == ChildState::kInstalled;
  });
  if (theirs.replaced == ChildSaId{} || theirs.ours || theirs.stopped || found == children_.end() ||
      theirs.used <= found->second.used)
    return false;
  Child& made = found->second;
  revive(theirs, made, now);
  if (theirs.deferred_out) use_deferred(theirs);
  drop_made(made);
  return true;
}

}  // namespace simplon::ike

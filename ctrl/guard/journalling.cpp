// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/journalling.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "ctrl/guard/positions.h"
#include "ctrl/guard/records.h"

namespace simplon::ctrl {
namespace {

std::uint64_t key(SaId id) { return static_cast<std::uint64_t>(id); }
std::uint64_t key(PolicyId id) { return static_cast<std::uint64_t>(id); }

}  // namespace

SaJournal::SaJournal(Journal& journal, std::span<dp::SaLease> leases, bool adopts)
    : journal_(journal), leases_(leases), taken_(leases.size()), adopts_(adopts) {
  for (const std::uint64_t id : journal.keys(RecordKind::kPolicy))
    former_policies_.insert(PolicyId{static_cast<std::uint32_t>(id)});
  journal.for_each(RecordKind::kSa, [&](std::uint64_t id, Bytes record) {
    former_sas_.insert(SaId{id});
    of_former_.insert(SaId{id});
    auto sa = read_sa_record(record);
    if (sa && sa->lease == dp::kNoLease)
      former_residents_[SaId{id}] = std::make_shared<const SaSpec>(std::move(sa->sa));
    if (!sa || sa->lease >= taken_.size() || taken_[sa->lease]) return;
    taken_[sa->lease] = true;
    lease_of_[SaId{id}] = sa->lease;
    continued_.insert(SaId{id});
  });
  // Their SAs were removed, or their records are damaged: nobody goes on with them.
  for (std::size_t i = 0; i < leases_.size(); ++i)
    if (!taken_[i]) {
      leases_[i].ceiling = 0;
      leases_[i].floor = 0;
    }
}

// The data path frees a slot some time after it has removed the SA: its ceiling is 0 then. A gateway that was
// replaced may have published a floor there after that.
std::optional<std::uint32_t> SaJournal::free_lease() {
  if (lease_of_.size() == leases_.size()) return std::nullopt;
  for (std::size_t looked = 0; looked < leases_.size(); ++looked) {
    const std::size_t i = next_;
    next_ = (next_ + 1) % leases_.size();
    if (taken_[i] || leases_[i].ceiling.load(std::memory_order_relaxed) != 0) continue;
    leases_[i].floor = 0;
    return static_cast<std::uint32_t>(i);
  }
  return std::nullopt;
}

Result<void> SaJournal::put(const SaSpec& sa) {
  former_sas_.erase(sa.id);
  auto known = lease_of_.find(sa.id);
  if (known == lease_of_.end()) {
    const auto lease = free_lease();
    if (!lease)
      return fail("there are no more than " + std::to_string(leases_.size()) +
                  " SAs that are taken over when this process ends");
    taken_[*lease] = true;
    known = lease_of_.emplace(sa.id, *lease).first;
  }
  auto done = journal_.put(RecordKind::kSa, key(sa.id), record(SaRecord{sa, known->second}).bytes());
  if (!done) {
    journal_.erase(RecordKind::kSa, key(sa.id));
    taken_[known->second] = false;
    lease_of_.erase(known);
  }
  return done;
}

Result<void> SaJournal::put_resident(const SaSpec& sa) {
  auto done = journal_.put(RecordKind::kSa, key(sa.id), record(SaRecord{sa, dp::kNoLease}).bytes());
  if (done) former_sas_.erase(sa.id);
  return done;
}

void SaJournal::erase(SaId id) {
  former_sas_.erase(id);
  continued_.erase(id);
  journal_.erase(RecordKind::kSa, key(id));
  if (const auto lease = lease_of_.extract(id)) taken_[lease.mapped()] = false;
}

Result<void> SaJournal::put(const PolicySpec& policy) {
  former_policies_.erase(policy.id);
  return journal_.put(RecordKind::kPolicy, key(policy.id), record(policy).bytes());
}

void SaJournal::erase(PolicyId id) {
  former_policies_.erase(id);
  journal_.erase(RecordKind::kPolicy, key(id));
}

dp::SaStart SaJournal::start_of(const SaSpec& sa) const {
  dp::SaStart start;
  if (const auto lease = lease_of_.find(sa.id); lease != lease_of_.end()) start.lease = lease->second;
  if (!is_former(sa.id) || continued_.contains(sa.id)) return start;
  if (sa.direction == Direction::kOut)
    start.next_sequence = last_sequence(sa) + 1;
  else
    start.replay_top = last_sequence(sa);
  return start;
}

void SaJournal::forget_former() {
  adopts_ = false;
  former_residents_.clear();
  for (const SaId id : std::exchange(former_sas_, {})) {
    const auto lease = lease_of_.find(id);
    // The data path never had it, and does not free the slot.
    if (lease != lease_of_.end()) {
      leases_[lease->second].ceiling = 0;
      leases_[lease->second].floor = 0;
    }
    erase(id);
  }
  for (const PolicyId id : std::exchange(former_policies_, {})) erase(id);
}

bool JournallingBackend::tell(const Result<void>& journalled) {
  if (!journalled && !std::exchange(full_, true)) warn_(journalled.error().what);
  if (journalled) full_ = false;
  return journalled.has_value();
}

Result<void> JournallingBackend::add_sa(const SaRef& sa) {
  const bool journalled = tell(journal_.put(*sa));
  auto done = inner_->add_sa(sa);
  if (!done) journal_.erase(sa->id);
  if (done && journalled) standby_.add(sa);
  return done;
}

// An SA that is still in the journal and no more in the data path would only be installed for nothing; the
// other way round it would be lost.
Result<void> JournallingBackend::remove_sa(const SaRef& sa) {
  auto done = inner_->remove_sa(sa);
  journal_.erase(sa->id);
  standby_.remove(sa);
  return done;
}

Result<void> JournallingBackend::move_sa(const SaRef& from, const SaRef& to) {
  const bool journalled = tell(journal_.put(*to));
  standby_.remove(from);
  if (journalled) standby_.add(to);
  return inner_->move_sa(from, to);
}

StatusLines JournallingBackend::status() {
  StatusLines out = inner_->status();
  std::ranges::move(standby_.status(), std::back_inserter(out));
  return out;
}

// A policy that protects stands in the journal before it does in the data path, and goes from it after. With
// one missing the kernel would let pass what that one protects: then it does not forward at all.
Result<void> JournallingBackend::add_policy(const PolicySpec& policy) {
  const auto journalled = journal_.put(policy);
  if (!journalled) state_.policies_incomplete = true;
  tell(journalled);
  return inner_->add_policy(policy);
}

Result<void> JournallingBackend::remove_policy(const PolicySpec& policy) {
  auto done = inner_->remove_policy(policy);
  journal_.erase(policy.id);
  return done;
}

Result<void> JournallingBackend::set_gateway(bool on) {
  if (!on) state_.gateway_on = false;
  auto done = inner_->set_gateway(on);
  if (on && done) state_.gateway_on = true;
  return done;
}

}  // namespace simplon::ctrl

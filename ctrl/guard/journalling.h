// SPDX-License-Identifier: Apache-2.0
// The data path's backend for a gateway that is guarded: each SA and policy is in the journal
// (ctrl/guard/journal.h) before the data path has it, and its sequence lease with it, so that the kernel and
// the next gateway can go on where this one ends. What is in the journal stands by in the kernel. Control
// thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ctrl/backend/backend.h"
#include "ctrl/guard/journal.h"
#include "ctrl/guard/region.h"
#include "ctrl/guard/standby.h"
#include "dp/base/lease.h"

namespace simplon::ctrl {

// Which SA has which lease, and what of the journal is of a former gateway.
class SaJournal {
 public:
  // Both outlive this. `adopts`: an SA that comes before forget_former() may be one that somebody has sent
  // by.
  SaJournal(Journal& journal, std::span<dp::SaLease> leases, bool adopts);

  // Before the data path has it. An SA of the former gateway's keeps its lease. What cannot be journalled
  // works, but ends with this process: the error is for the log.
  Result<void> put(const SaSpec& sa);
  void erase(SaId id);
  // One that lives in the kernel, and goes on there whatever becomes of the gateway: it has no lease. After
  // an error the journal has what it had before.
  Result<void> put_resident(const SaSpec& sa);
  // Those of a former gateway that are in the journal, until forget_former(). keep() is put_resident() of one
  // of them, which cannot fail.
  const std::map<SaId, SaRef>& former_residents() const { return former_residents_; }
  void keep(SaId id) { former_sas_.erase(id); }
  // Somebody may have sent by it: it may go on where it is, by its lease or in the kernel, and never begin
  // anew.
  bool is_former(SaId id) const { return adopts_ || of_former_.contains(id); }
  // Of a former gateway, and by its lease the data path's.
  bool goes_on_by_lease(SaId id) const { return continued_.contains(id); }
  // It was wanted, and could not be had, while SAs were adopted.
  void must_not_begin(SaId id) { of_former_.insert(id); }
  Result<void> put(const PolicySpec& policy);
  void erase(PolicyId id);
  // An SA of which nothing is known, while SAs are adopted, begins behind its last number: it ends at once,
  // and IKE makes another.
  dp::SaStart start_of(const SaSpec& sa) const;

  // All is there again that there shall be: what else the former gateway had is forgotten.
  void forget_former();

 private:
  std::optional<std::uint32_t> free_lease();

  Journal& journal_;
  std::span<dp::SaLease> leases_;
  std::map<SaId, std::uint32_t> lease_of_;
  std::vector<bool> taken_;  // by lease
  std::size_t next_ = 0;     // where to look for a free one
  bool adopts_;
  std::set<SaId> continued_;  // whose record and lease a former gateway has left
  std::set<SaId> former_sas_;
  std::set<SaId> of_former_;  // all, for the life of this process
  std::map<SaId, SaRef> former_residents_;
  std::set<PolicyId> former_policies_;
};

class JournallingBackend final : public Backend {
 public:
  using Warn = std::function<void(const std::string&)>;

  // `journal`, `state` and `standby` outlive this; `warn` is told once when the journal is full.
  JournallingBackend(std::unique_ptr<Backend> inner, SaJournal& journal, SharedState& state, Standby& standby,
                     Warn warn)
      : inner_(std::move(inner)),
        journal_(journal),
        state_(state),
        standby_(standby),
        warn_(std::move(warn)) {}

  std::string_view name() const override { return inner_->name(); }
  Result<void> can(const SaSpec& sa) override { return inner_->can(sa); }
  Result<Installed> dump() override { return inner_->dump(); }
  Result<void> fence() override { return inner_->fence(); }
  Result<void> add_sa(const SaRef& sa) override;
  Result<void> remove_sa(const SaRef& sa) override;
  Result<void> move_sa(const SaRef& from, const SaRef& to) override;
  void prepare(const std::vector<PolicySpec>& policies) override { inner_->prepare(policies); }
  Result<void> add_policy(const PolicySpec& policy) override;
  Result<void> remove_policy(const PolicySpec& policy) override;
  Result<void> set_gateway(bool on) override;
  void commit() override { inner_->commit(); }
  Result<SaCounters> counters(const SaRef& sa) override { return inner_->counters(sa); }
  std::map<SaId, std::uint64_t> packets(const std::vector<SaRef>& sas) override {
    return inner_->packets(sas);
  }
  void recheck() override {
    inner_->recheck();
    standby_.recheck();
  }
  std::vector<int> fds() const override { return inner_->fds(); }
  std::vector<BackendEvent> poll() override { return inner_->poll(); }
  StatusLines status() override;

 private:
  bool tell(const Result<void>& journalled);  // whether it is

  std::unique_ptr<Backend> inner_;
  SaJournal& journal_;
  SharedState& state_;
  Standby& standby_;
  Warn warn_;
  bool full_ = false;  // as told
};

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// Backend over the data path. Only a data path has next hops to resolve and TAPs: poll() gives what it says
// of them to a function of their own.
#pragma once

#include <functional>

#include "ctrl/backend/backend.h"
#include "dp/device/datapath.h"

namespace simplon::ctrl {

// What the log and IKE are told of it.
AuditEvent audit_event(const dp::AuditedDrop& drop);

class DpBackend final : public Backend {
 public:
  using Others = std::function<void(const dp::Event&)>;  // that are no BackendEvent

  // Where an SA begins, and its lease: asked whenever it is about to be added. Null: each is a new one.
  using Starts = std::function<dp::SaStart(const SaSpec&)>;

  // `datapath` outlives the backend; `others` is called from poll(), `starts` from add_sa().
  DpBackend(dp::DataPath& datapath, Others others, Starts starts = {})
      : datapath_(datapath), others_(std::move(others)), starts_(std::move(starts)) {}

  std::string_view name() const override { return "dp"; }
  Result<void> can(const SaSpec& sa) override { return datapath_.can(sa); }
  // Of this process alone: what a data path holds ends with it.
  Result<Installed> dump() override { return Installed{datapath_.sas(), datapath_.policies()}; }
  // Nothing to do: what no policy matches is discarded, also before the first policy comes.
  Result<void> fence() override { return {}; }
  Result<void> add_sa(const SaRef& sa) override;
  Result<void> remove_sa(const SaRef& sa) override;
  Result<void> move_sa(const SaRef& from, const SaRef& to) override;
  Result<void> add_policy(const PolicySpec& policy) override;
  Result<void> remove_policy(const PolicySpec& policy) override;
  Result<void> set_gateway(bool on) override;
  // The only error of a commit is a network that cannot be published, and Backend does not change the
  // network.
  void commit() override { [[maybe_unused]] const auto done = datapath_.commit(); }
  Result<SaCounters> counters(const SaRef& sa) override;
  std::map<SaId, std::uint64_t> packets(const std::vector<SaRef>& sas) override;
  void recheck() override {}  // nobody else reaches the data path's tables
  std::vector<int> fds() const override { return {datapath_.fd()}; }
  std::vector<BackendEvent> poll() override;

 private:
  dp::DataPath& datapath_;
  Others others_;
  Starts starts_;
  std::vector<SaId> left_;  // that ended when they were moved, to be told
};

}  // namespace simplon::ctrl

// SAs and policies made by hand: checked against what is installed, installed at once, taken away at their
// limits. Nobody negotiates another SA, so the log tells of a soft limit in time. Control thread.
#pragma once

#include "ctrl/install/reconciler.h"
#include "ctrl/manage/commands/commands.h"
#include "ctrl/runtime/log.h"

namespace simplon::ctrl {

class ManualOperations {
 public:
  // All of them outlive this.
  ManualOperations(Reconciler& reconciler, const Config& config, PolicyIds& ids, Log& log)
      : reconciler_(reconciler), config_(config), ids_(ids), log_(log) {}

  // Sets the members of `operations` that are about entries made by hand.
  void bind(Operations& operations);

  // The backends end an SA by its bytes and packets; its age is looked at here, as IKE does for its own SAs.
  void watch_ages(Now now);
  // A backend tells of a limit. False: the SA is not one made by hand.
  bool reached(SaId id, bool hard);

 private:
  Result<SaId> add(SaSpec sa);
  Result<PolicyId> add(PolicySpec policy);
  Result<void> remove(SaId id);
  Result<void> remove(PolicyId id);
  void apply_limit(const ManualEntries::Limit& limit);

  Reconciler& reconciler_;
  const Config& config_;
  PolicyIds& ids_;
  Log& log_;
};

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// SAs and policies made by hand. They are checked against what is installed, and installed at once. An SA is
// removed at its hard limit (RFC 4301 §4.4.2.1). Nobody negotiates a new one, so the log warns at the soft
// limit. Control thread.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/install/reconciler.h"
#include "ctrl/manage/commands/commands.h"
#include "ctrl/runtime/log.h"

namespace simplon::ctrl {

class ManualOperations {
 public:
  // Told of each policy that is made by hand, and before one goes.
  using Keep = std::function<void(PolicyId id, bool there)>;

  // All of them outlive this.
  ManualOperations(Reconciler& reconciler, const Config& config, PolicyIds& ids, Log& log, Keep keep)
      : reconciler_(reconciler), config_(config), ids_(ids), log_(log), keep_(std::move(keep)) {}

  // What was made by hand in the process before this one. What this configuration leaves no place for is told
  // in the log and left out.
  void adopt(std::vector<PolicySpec> policies, const std::vector<SaSpec>& sas);

  // Sets the members of `operations` that are about entries made by hand.
  void bind(Operations& operations);

  // A line for each entry made by hand that gets along badly with this configuration.
  std::vector<std::string> conflicts(const Config& config) const;

  // Looks for SAs that have reached the age of a limit; the backends watch bytes and packets.
  void watch_ages(Now now);
  // A backend says that an SA has reached a limit. False: the SA was not made by hand.
  bool reached(SaId id, bool hard);

 private:
  Result<SaId> add(SaSpec sa);
  Result<PolicyId> add(PolicySpec policy);
  Result<void> all_can_nest(const PolicySpec& added) const;
  Result<void> remove(SaId id);
  Result<void> remove(PolicyId id);
  void apply_limit(const ManualEntries::Limit& limit);

  Reconciler& reconciler_;
  const Config& config_;
  PolicyIds& ids_;
  Log& log_;
  Keep keep_;
};

}  // namespace simplon::ctrl

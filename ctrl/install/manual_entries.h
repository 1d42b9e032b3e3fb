// SPDX-License-Identifier: Apache-2.0
// The SAs and policies that an administrator made at the console, and the lifetimes of these SAs. Values
// alone: ctrl/gateway/manual_operations.h installs them.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "dp/base/policy_spec.h"
#include "dp/base/sa_spec.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

class ManualEntries {
 public:
  using Now = ike::Now;

  const std::vector<SaRef>& sas() const { return sas_; }
  const std::vector<PolicySpec>& policies() const { return policies_; }
  bool contains(SaId id) const { return ages_.contains(id); }

  // Whether it is one that add() gives.
  static bool is_manual(SaId id) { return static_cast<std::uint64_t>(id) > kBeforeFirst; }

  // Gives the SA its id, apart from those that IKE gives.
  SaRef add(SaSpec sa, Now now);
  // One of the process before this one: it keeps its id.
  void adopt(const SaSpec& sa, Now now);
  void add(const PolicySpec& policy) { policies_.push_back(policy); }
  SaRef remove(SaId id);  // what was removed; none: there is none
  std::optional<PolicySpec> remove(PolicyId id);

  struct Limit {
    SaRef sa;
    bool hard = false;
  };
  // The SAs that are as old as a limit allows (RFC 4301 §4.4.2.1); a soft limit is told once.
  std::vector<Limit> aged(Now now);
  // The backend counted up to a limit: this SA, if it is one of ours that was not told of yet.
  std::optional<Limit> reached(SaId id, bool hard);

 private:
  static constexpr std::uint64_t kBeforeFirst = std::uint64_t{1} << 62;
  struct Age {
    Now since{};
    bool soft_told = false;
  };
  std::vector<SaRef> sas_;
  std::vector<PolicySpec> policies_;
  std::map<SaId, Age> ages_;
  std::uint64_t last_id_ = kBeforeFirst;
};

}  // namespace simplon::ctrl

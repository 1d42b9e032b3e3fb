// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/manual_operations.h"

#include <algorithm>
#include <map>

#include "ctrl/backend/xfrm/message.h"
#include "ctrl/gateway/clock.h"

namespace simplon::ctrl {

void ManualOperations::bind(Operations& o) {
  o.add_sa = [this](SaSpec sa) { return add(std::move(sa)); };
  o.remove_sa = [this](SaId id) { return remove(id); };
  o.manual_sas = [this] { return reconciler_.manual().sas(); };
  o.add_policy = [this](PolicySpec policy) { return add(std::move(policy)); };
  o.remove_policy = [this](PolicyId id) { return remove(id); };
  o.manual_policies = [this] { return reconciler_.manual().policies(); };
}

Result<SaId> ManualOperations::add(SaSpec sa) {
  if (sa.direction == Direction::kOut && !reconciler_.holds(sa.policy))
    return fail("there is no policy " + std::to_string(static_cast<std::uint32_t>(sa.policy)) +
                " for the SA to serve; see policy-list");
  if (reconciler_.holds_like(sa)) return fail("there is an SA with this SPI and destination already");
  const SaRef added = reconciler_.manual().add(std::move(sa), clock_now());
  if (auto done = reconciler_.install_new({.sas = {{added->id, added}}}); !done) {
    reconciler_.manual().remove(added->id);
    return std::unexpected(done.error());
  }
  return added->id;
}

Result<void> ManualOperations::remove(SaId id) {
  const SaRef gone = reconciler_.manual().remove(id);
  if (!gone) return fail("there is no manual SA with this id; see sa-list");
  return reconciler_.uninstall({.sas = {{id, gone}}});
}

Result<PolicyId> ManualOperations::add(PolicySpec policy) {
  if (config_.mode == Mode::kKernel && policy.action == Action::kProtect && !policy.tunnel)
    return fail(
        "in mode 'kernel' a policy with action protect needs tunnel-local and tunnel-remote, which the "
        "kernel's policies name");
  if (policy.id == PolicyId{}) policy.id = ids_.fresh();
  if (reconciler_.holds(policy.id)) return fail("there is a policy with this id already");
  if (config_.mode == Mode::kKernel && policy.over != PolicyId{})
    if (auto able = all_can_nest(policy); !able) return std::unexpected(able.error());
  if (auto done = reconciler_.install_new({.policies = {{policy.id, policy}}}); !done) {
    reconciler_.all_changed();  // a part of it may stand
    return std::unexpected(done.error());
  }
  reconciler_.manual().add(policy);
  keep_(policy.id, true);
  return policy.id;
}

void ManualOperations::adopt(std::vector<PolicySpec> policies, const std::vector<SaSpec>& sas) {
  std::ranges::sort(policies, {}, &PolicySpec::id);  // as take() needs them
  ManualEntries& manual = reconciler_.manual();
  const auto left_out = [this](const std::string& what, const std::string& why) {
    log_.warning(Category::kDaemon, what + ", made by hand before this process, is left out: " + why);
  };
  for (const PolicySpec& policy : policies) {
    if (std::ranges::find(config_.policies, policy.name, &PolicySpec::name) != config_.policies.end())
      left_out("policy " + policy.name, "the file has one of this name");
    else if (!ids_.take(policy.id))
      left_out("policy " + policy.name, "the file has one of its number");
    else
      manual.add(policy);
  }
  for (const SaSpec& sa : sas)
    if (sa.direction == Direction::kOut && config_.policy(sa.policy) == nullptr &&
        std::ranges::find(manual.policies(), sa.policy, &PolicySpec::id) == manual.policies().end())
      left_out(text(sa), "its policy is not there");
    else
      manual.adopt(sa, clock_now());
  if (!policies.empty() || !sas.empty()) reconciler_.all_changed();
}

// With `added`, which may be one that entries from before name as over them.
Result<void> ManualOperations::all_can_nest(const PolicySpec& added) const {
  const std::vector<PolicySpec> all = reconciler_.policies();
  std::map<PolicyId, const PolicySpec*> by_id{{added.id, &added}};
  for (const PolicySpec& p : all) by_id.emplace(p.id, &p);
  const auto find = [&](PolicyId id) {
    const auto found = by_id.find(id);
    return found == by_id.end() ? nullptr : found->second;
  };
  if (auto able = can_nest(added, find); !able) return able;
  for (const PolicySpec& p : all)
    if (p.over != PolicyId{})
      if (auto able = can_nest(p, find); !able)
        return fail("with it, policy '" + p.name + "' " + able.error().what);
  return {};
}

// Without it an SA would be one that nothing sends through, and whose packets are let in by none.
Result<void> ManualOperations::remove(PolicyId id) {
  std::string users;
  for (const SaRef& sa : reconciler_.manual().sas())
    if (sa->policy == id || sa->over == id)
      users += (users.empty() ? "" : ", ") + text(*sa) + " (id " +
               std::to_string(static_cast<std::uint64_t>(sa->id)) + ")";
  if (!users.empty()) return fail("SAs made by hand name this policy; remove them first: " + users);
  const std::optional<PolicySpec> gone = reconciler_.manual().remove(id);
  if (!gone)
    return fail("there is no manual policy with this id; those of the configuration are changed there");
  keep_(id, false);
  return reconciler_.uninstall({.policies = {{id, *gone}}});
}

std::vector<std::string> ManualOperations::conflicts(const Config& config) const {
  std::vector<std::string> out;
  for (const PolicySpec& policy : reconciler_.manual().policies())
    if (std::ranges::find(config.policies, policy.name, &PolicySpec::name) != config.policies.end())
      out.push_back("policy '" + policy.name +
                    "' of the file has the name of one made by hand, which stays beside it; remove that one");
  const auto& by_hand = reconciler_.manual().policies();
  for (const SaRef& sa : reconciler_.manual().sas()) {
    if (!serves(*sa, config, reconciler_.manual()))
      out.push_back("manual " + text(*sa) +
                    " is not of the protocol, mode, bundle and kernel options that its policy in the file "
                    "has now, and is "
                    "taken out; replace it");
    if (!config.policy(sa->policy) &&
        std::ranges::find(by_hand, sa->policy, &PolicySpec::id) == by_hand.end())
      out.push_back("the policy that manual " + text(*sa) +
                    " names is not in the file any more; replace the SA");
  }
  return out;
}

void ManualOperations::watch_ages(Now now) {
  for (const ManualEntries::Limit& limit : reconciler_.manual().aged(now)) apply_limit(limit);
}

bool ManualOperations::reached(SaId id, bool hard) {
  if (!reconciler_.manual().contains(id)) return false;
  if (const auto limit = reconciler_.manual().reached(id, hard)) apply_limit(*limit);
  return true;
}

void ManualOperations::apply_limit(const ManualEntries::Limit& limit) {
  const std::string what = "manual " + text(*limit.sa);
  if (!limit.hard) return log_.warning(Category::kDaemon, what + " has reached its soft limit; replace it");
  log_.warning(Category::kDaemon, what + " has reached its hard limit and is removed");
  if (const auto removed = remove(limit.sa->id); !removed)
    log_.error(Category::kDaemon, removed.error().what);
}

}  // namespace simplon::ctrl

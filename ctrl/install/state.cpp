// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/state.h"

#include <algorithm>
#include <cstdio>

namespace simplon::ctrl {
namespace {

// The first id for SAs of a former process.
constexpr std::uint64_t kFormer = 1ull << 63;

}  // namespace

std::string text(const SaSpec& sa) {
  char spi[16];
  std::snprintf(spi, sizeof spi, "%08x", static_cast<unsigned>(sa.spi));
  return std::string(sa.direction == Direction::kIn ? "inbound" : "outbound") + " SA " + spi + " " +
         sa.source.text() + " to " + sa.destination.text();
}

std::string text(const PolicySpec& policy) {
  return "policy '" + policy.name + "' (" + policy.selectors.text() + ")";
}

bool serves(const SaSpec& sa, const Config& config, const ManualEntries& manual) {
  const PolicySpec* policy = config.policy(sa.policy);
  const auto by_hand = std::ranges::find(manual.policies(), sa.policy, &PolicySpec::id);
  if (policy == nullptr && by_hand != manual.policies().end()) policy = &*by_hand;
  return policy == nullptr ||
         (policy->over == sa.over && policy->protocol == sa.protocol && policy->mode == sa.mode &&
          policy->fragments == sa.fragments && of_sa(policy->kernel, sa.direction) == sa.kernel);
}

State desired(const Config& config, const ChildSaTable& children, const ManualEntries& manual,
              const FollowedEntries& followed) {
  State out;
  for (const auto& [id, entry] : children.sas()) out.sas[id] = entry.sa;
  for (const SaRef& sa : manual.sas())
    if (serves(*sa, config, manual)) out.sas[sa->id] = sa;
  const auto want = [&](PolicyId id) {
    if (auto policy = children.policy(id, config)) out.policies.emplace(id, std::move(*policy));
  };
  for (const PolicySpec& policy : config.policies) want(policy.id);
  for (const PolicyId id : children.narrowed()) want(id);
  for (const PolicySpec& policy : manual.policies()) out.policies[policy.id] = policy;
  out.sas.insert(followed.sas.begin(), followed.sas.end());
  out.policies.insert(followed.policies.begin(), followed.policies.end());
  return out;
}

State desired_part(const std::vector<SaRef>& sas, const Config& config, const ChildSaTable& children,
                   const FollowedEntries& followed) {
  State out;
  for (const SaRef& sa : sas) {
    if (const auto still = children.sas().find(sa->id); still != children.sas().end())
      out.sas[sa->id] = still->second.sa;
    if (const auto still = followed.sas.find(sa->id); still != followed.sas.end())
      out.sas[sa->id] = still->second;
    for (const PolicyId id : {sa->policy, sa->over}) {
      if (out.policies.contains(id)) continue;
      if (auto policy = children.policy(id, config)) out.policies.emplace(id, std::move(*policy));
      if (const auto found = followed.policies.find(id); found != followed.policies.end())
        out.policies.insert(*found);
    }
    for (const SaRef& other : children.of_entry(sa->policy)) out.sas[other->id] = other;
  }
  return out;
}

State grown(State want, const State& now) {
  want.sas.insert(now.sas.begin(), now.sas.end());
  for (const auto& [id, have] : now.policies) {
    const auto [policy, added] = want.policies.emplace(id, have);
    if (!added && policy->second.action == Action::kProtect && have.action == Action::kProtect &&
        have.direction == PolicyDirection::kBoth)
      policy->second.direction = PolicyDirection::kBoth;
  }
  return want;
}

State former(const Installed& installed) {
  State out;
  std::uint64_t next = kFormer;
  for (const SaRef& left : installed.sas) {
    if (left->id != SaId{}) {
      out.sas.emplace(left->id, left);
      continue;
    }
    auto sa = std::make_shared<SaSpec>(*left);
    sa->id = SaId{next++};
    out.sas.emplace(sa->id, sa);
  }
  for (const PolicySpec& policy : installed.policies) out.policies[policy.id] = policy;
  return out;
}

}  // namespace simplon::ctrl

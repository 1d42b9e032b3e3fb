// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/diff.h"

#include <algorithm>

#include "dp/base/behind_nat.h"

namespace simplon::ctrl {
namespace {

void add_sa(Changes& out, const SaRef& sa) {
  (sa->direction == Direction::kIn ? out.add_in : out.add_out).push_back(sa);
}
void remove_sa(Changes& out, const SaRef& sa) {
  (sa->direction == Direction::kIn ? out.remove_in : out.remove_out).push_back(sa);
}

// `have` is the SA of the same id that is installed, or null. Nothing else of an SA ever changes.
void set_sa(Changes& out, const SaRef& want, const SaRef* have) {
  if (have == nullptr) return add_sa(out, want);
  const SaSpec &a = *want, &b = **have;
  // Left by a process that numbered its entries otherwise: it is not ours to move, and not to begin anew.
  if (a.policy != b.policy || a.child != b.child) return remove_sa(out, *have);
  if (a.source != b.source || a.destination != b.destination || a.udp != b.udp)
    out.move_sas.push_back({*have, want});
}

// In transport mode an entry has SAs to one port of a NAT alone: those to another port, or to none, go first.
void free_ports(Changes& out) {
  std::map<PolicyId, Port> wanted;
  for (const SaRef& sa : out.add_out)
    if (is_behind_nat(*sa)) wanted[sa->policy] = sa->udp->destination;
  const auto stays = [&](const SaRef& sa) {
    const auto port = wanted.find(sa->policy);
    return port == wanted.end() || !excludes_behind_nat(*sa, port->second);
  };
  const auto freed = std::stable_partition(out.remove_out.begin(), out.remove_out.end(), stays);
  out.free_out.assign(freed, out.remove_out.end());
  out.remove_out.erase(freed, out.remove_out.end());
}

// Where the change of an entry comes among the changes of others; a backend makes them one by one. What
// closes comes before what opens, and an entry moves forward before another one moves back behind it. An
// entry that was a BYPASS is the first: as long as it is one, it may come before the new place of any other.
int change_rank(const PolicySpec& policy, const PolicySpec* before) {
  if (policy.action == Action::kBypass) return 3;
  if (before == nullptr) return 1;
  if (before->action == Action::kBypass) return 0;
  return keeps_closed(policy, *before) ? 1 : 2;
}

template <class Id, class T>
const T* find(const std::map<Id, T>& all, Id id) {
  const auto found = all.find(id);
  return found == all.end() ? nullptr : &found->second;
}

// The entry of this id that is installed, wholly or in part.
const PolicySpec* standing(const State& now, PolicyId id) {
  const PolicySpec* part = find(now.partially_installed, id);
  return part ? part : find(now.policies, id);
}

void set_policy(Changes& out, const PolicySpec& want, const State& now) {
  const PolicySpec* have = find(now.policies, want.id);
  if (have && *have == want) return;
  out.set_policies.push_back(want);
  if (!have || have->action != Action::kBypass || want.action != Action::kBypass || want.order <= have->order)
    return;
  out.demote_bypasses.push_back(*have);
  out.demote_bypasses.back().order = want.order;
}
void remove_policy(Changes& out, const PolicySpec& policy) {
  (policy.action == Action::kBypass ? out.remove_bypasses : out.remove_policies).push_back(policy);
}

}  // namespace

bool keeps_closed(const PolicySpec& want, const PolicySpec& before) {
  return want.order <= before.order && want.spd == before.spd && want.kernel.mark == before.kernel.mark &&
         want.kernel.if_id == before.kernel.if_id &&
         (want.direction == PolicyDirection::kBoth || want.direction == before.direction) &&
         covers(want.selectors, before.selectors);
}

Changes diff(const State& want, const State& now) {
  Changes out;
  for (const auto& [id, sa] : want.sas) set_sa(out, sa, find(now.sas, id));
  for (const auto& [id, policy] : want.policies) set_policy(out, policy, now);
  for (const auto* there : {&now.policies, &now.partially_installed})
    for (const auto& [id, policy] : *there)
      if (!want.policies.contains(id)) remove_policy(out, policy);
  for (const auto& [id, sa] : now.sas)
    if (!want.sas.contains(id)) remove_sa(out, sa);
  free_ports(out);
  std::ranges::stable_sort(out.set_policies, {},
                           [&](const PolicySpec& p) { return change_rank(p, standing(now, p.id)); });
  return out;
}

Changes diff_part(const State& want, const std::vector<SaRef>& sas, const State& now) {
  Changes out;
  std::set<SaId> seen;
  std::set<PolicyId> entries;
  for (const SaRef& sa : sas) {
    if (seen.insert(sa->id).second) {
      const SaRef *wanted = find(want.sas, sa->id), *have = find(now.sas, sa->id);
      if (wanted) set_sa(out, *wanted, have);
      if (!wanted && have) remove_sa(out, *have);
    }
    for (const PolicyId id : {sa->policy, sa->over}) {
      if (!entries.insert(id).second) continue;
      const PolicySpec* wanted = find(want.policies, id);
      const PolicySpec* have = standing(now, id);
      if (wanted) set_policy(out, *wanted, now);
      if (!wanted && have) remove_policy(out, *have);
    }
  }
  free_ports(out);
  return out;
}

}  // namespace simplon::ctrl

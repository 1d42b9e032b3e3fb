// The way from what is installed to what should be.
#include <algorithm>
#include <cstdio>

#include "ctrl/install/state.h"

namespace simplon::ctrl {
namespace {

// Ids of SAs that are not this process's.
constexpr std::uint64_t kFormer = 1ull << 63;

void add_sa(Changes& out, const SaRef& sa) {
  (sa->direction == Direction::kIn ? out.add_in : out.add_out).push_back(sa);
}
void remove_sa(Changes& out, const SaRef& sa) {
  (sa->direction == Direction::kIn ? out.remove_in : out.remove_out).push_back(sa);
}

// Makes changes one by one, whatever fails: one entry that cannot be set must not keep the others, which may
// be what closes the gateway, from their places. The first error is told.
class Applier {
 public:
  Applier(Backend& backend, State& now) : backend_(backend), now_(now) {}

  void add(const std::vector<SaRef>& sas) {
    for (const SaRef& sa : sas)
      if (done(backend_.add_sa(sa), "install", *sa)) now_.sas[sa->id] = sa;
  }
  void remove(const std::vector<SaRef>& sas) {
    for (const SaRef& sa : sas)
      if (done(backend_.remove_sa(sa), "remove", *sa)) now_.sas.erase(sa->id);
  }
  // Where what closes could not be set, what opens does not follow it: no new BYPASS takes its packets, and
  // what closed them so far stays.
  void set(const std::vector<PolicySpec>& policies) {
    for (const PolicySpec& policy : policies) {
      const bool opens = policy.action == Action::kBypass;
      if ((opens && !closed_) || (stuck_ && is_demoted(policy))) continue;
      if (put(policy)) continue;
      if (!opens) closed_ = false;
      leave(policy);
    }
  }
  void demote_bypasses(const std::vector<PolicySpec>& bypasses) {
    for (const PolicySpec& policy : bypasses)
      if (!put(policy)) leave(policy);
  }
  void remove(const std::vector<PolicySpec>& policies) {
    for (const PolicySpec& policy : policies)
      if (closed_ || policy.action == Action::kBypass) take(policy);
  }

  const Result<void>& first() const { return first_; }

 private:
  bool done(const Result<void>& step, std::string_view verb, const auto& what) {
    if (!step && first_)
      first_ = fail(std::string(backend_.name()) + ": cannot " + std::string(verb) + " " + text(what) + ": " +
                    step.error().what);
    return step.has_value();
  }

  bool put(const PolicySpec& policy) {
    if (!done(backend_.add_policy(policy), "install", policy)) return false;
    now_.partially_installed.erase(policy.id);
    now_.policies[policy.id] = policy;
    return true;
  }

  void take(const PolicySpec& policy) {
    if (done(backend_.remove_policy(policy), "remove", policy)) {
      now_.partially_installed.erase(policy.id);
      now_.policies.erase(policy.id);
    } else if (policy.action == Action::kBypass) {
      closed_ = false;
      stuck_ = true;
    }
  }

  // It cannot be set, and a part of it may stand. If it is a BYPASS, or was one until now, that does not stay
  // in its place; half an entry that closes is better than none.
  void leave(const PolicySpec& policy) {
    PolicySpec part = policy;
    if (const auto before = now_.policies.find(policy.id); before != now_.policies.end()) {
      if (before->second.action == Action::kBypass) part.action = Action::kBypass;
      now_.policies.erase(before);
    }
    now_.partially_installed[policy.id] = part;
    if (part.action == Action::kBypass) take(part);
  }

  // A BYPASS that could not be removed may stand where this entry leaves.
  bool is_demoted(const PolicySpec& policy) const {
    const auto before = now_.policies.find(policy.id);
    return before != now_.policies.end() && before->second.order < policy.order;
  }

  Backend& backend_;
  State& now_;
  Result<void> first_;
  bool closed_ = true;  // all that closes is in its place
  bool stuck_ = false;  // a BYPASS that is to go stands
};

// The places of an entry's change among the others. Where a backend makes them one by one, what closes comes
// before what opens, and an entry comes to the front before another that stood in front of it goes back.
// First what was a BYPASS: it may stand in front of where the others go.
int change_rank(const PolicySpec& policy, const PolicySpec* before) {
  if (policy.action == Action::kBypass) return 3;
  if (before == nullptr) return 1;
  if (before->action == Action::kBypass) return 0;
  const bool keeps = (policy.direction == PolicyDirection::kBoth || policy.direction == before->direction) &&
                     covers(policy.selectors.local, before->selectors.local) &&
                     covers(policy.selectors.remote, before->selectors.remote);
  return policy.order <= before->order && keeps ? 1 : 2;
}

const PolicySpec* find(const std::map<PolicyId, PolicySpec>& all, PolicyId id) {
  const auto found = all.find(id);
  return found == all.end() ? nullptr : &found->second;
}

// What stands under this id, or may stand in part.
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

std::string text(const SaSpec& sa) {
  char spi[16];
  std::snprintf(spi, sizeof spi, "%08x", static_cast<unsigned>(sa.spi));
  return std::string(sa.direction == Direction::kIn ? "inbound" : "outbound") + " SA " + spi + " " +
         sa.source.text() + " to " + sa.destination.text();
}

std::string text(const PolicySpec& policy) {
  return "policy '" + policy.name + "' (" + policy.selectors.text() + ")";
}

Changes diff(const State& want, const State& now) {
  Changes out;
  for (const auto& [id, sa] : want.sas)
    if (!now.sas.contains(id)) add_sa(out, sa);
  for (const auto& [id, policy] : want.policies) set_policy(out, policy, now);
  for (const auto* there : {&now.policies, &now.partially_installed})
    for (const auto& [id, policy] : *there)
      if (!want.policies.contains(id)) remove_policy(out, policy);
  for (const auto& [id, sa] : now.sas)
    if (!want.sas.contains(id)) remove_sa(out, sa);
  std::ranges::stable_sort(out.set_policies, {},
                           [&](const PolicySpec& p) { return change_rank(p, standing(now, p.id)); });
  return out;
}

Changes changes_of(const std::vector<SaRef>& sas, const Config& config, const ChildSaTable& children,
                   const State& now) {
  Changes out;
  std::set<SaId> seen;
  std::set<PolicyId> entries;
  for (const SaRef& sa : sas) {
    const bool want_sa = children.sas().contains(sa->id), have_sa = now.sas.contains(sa->id);
    if (want_sa != have_sa && seen.insert(sa->id).second) (want_sa ? add_sa : remove_sa)(out, sa);
    if (!entries.insert(sa->policy).second) continue;
    const auto want = children.policy(sa->policy, config);
    const PolicySpec* have = standing(now, sa->policy);
    if (want) set_policy(out, *want, now);
    if (!want && have) remove_policy(out, *have);
  }
  return out;
}

Result<void> apply(const Changes& changes, Backend& backend, State& now) {
  Applier applier(backend, now);
  applier.remove(changes.remove_bypasses);
  applier.demote_bypasses(changes.demote_bypasses);
  applier.add(changes.add_in);
  applier.add(changes.add_out);
  applier.set(changes.set_policies);
  applier.remove(changes.remove_policies);
  applier.remove(changes.remove_out);
  applier.remove(changes.remove_in);
  backend.commit();  // what was made beside an error is true as well
  return applier.first();
}

State former(const Installed& installed) {
  State out;
  std::uint64_t next = kFormer;
  for (const InstalledSa& sa : installed.sas) {
    const SaId id{next++};
    out.sas[id] = std::make_shared<const SaSpec>(SaSpec{.id = id,
                                                        .direction = sa.direction,
                                                        .spi = sa.spi,
                                                        .source = sa.source,
                                                        .destination = sa.destination,
                                                        .soft = sa.soft,
                                                        .hard = sa.hard,
                                                        .policy = sa.policy});
  }
  for (const PolicySpec& policy : installed.policies) out.policies[policy.id] = policy;
  return out;
}

}  // namespace simplon::ctrl

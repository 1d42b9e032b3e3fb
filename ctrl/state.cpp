#include "ctrl/state.h"

#include <algorithm>
#include <cstdio>

namespace simplon::ctrl {
namespace {

// Ids of SAs that are not this process's.
constexpr std::uint64_t kFormer = 1ull << 63;

bool covers(const TrafficSelectors& all, const TrafficSelectors& part) {
  return std::ranges::all_of(part, [&](const TrafficSelector& p) {
    return std::ranges::any_of(all, [&](const TrafficSelector& a) { return a.contains(p); });
  });
}

// The SA may carry all that the entry sends.
bool whole(const SaSpec& sa, const PolicySpec& entry) {
  const Selectors& s = entry.selectors;
  return !s.local.empty() && !s.remote.empty() && covers(sa.selectors.local, s.local) &&
         covers(sa.selectors.remote, s.remote);
}

Selectors in_order(Selectors s) {
  std::ranges::sort(s.local);
  std::ranges::sort(s.remote);
  return s;
}

SaRef with_policy(const SaSpec& sa, PolicyId policy) {
  return std::make_shared<const SaSpec>(SaSpec{.id = sa.id,
                                               .direction = sa.direction,
                                               .spi = sa.spi,
                                               .source = sa.source,
                                               .destination = sa.destination,
                                               .udp = sa.udp,
                                               .suite = sa.suite,
                                               .encr_key = sa.encr_key.clone(),
                                               .salt = sa.salt.clone(),
                                               .integ_key = sa.integ_key.clone(),
                                               .replay_window = sa.replay_window,
                                               .soft = sa.soft,
                                               .hard = sa.hard,
                                               .policy = policy,
                                               .selectors = sa.selectors});
}

void add_sa(Changes& out, const SaRef& sa) {
  (sa->direction == Direction::kIn ? out.add_in : out.add_out).push_back(sa);
}
void remove_sa(Changes& out, const SaRef& sa) {
  (sa->direction == Direction::kIn ? out.remove_in : out.remove_out).push_back(sa);
}

std::string text(const SaSpec& sa) {
  char spi[16];
  std::snprintf(spi, sizeof spi, "%08x", static_cast<unsigned>(sa.spi));
  return std::string(sa.direction == Direction::kIn ? "inbound" : "outbound") + " SA " + spi + " " +
         sa.source.text() + " to " + sa.destination.text();
}
std::string text(const PolicySpec& policy) {
  return "policy '" + policy.name + "' (" + policy.selectors.text() + ")";
}

// One step of the way: its error names the step.
Result<void> step(Result<void> done, std::string_view verb, const auto& what, const Backend& backend) {
  if (done) return done;
  return fail(std::string(backend.name()) + ": cannot " + std::string(verb) + " " + text(what) + ": " +
              done.error().what);
}

Result<void> add(const std::vector<SaRef>& sas, Backend& backend, State& now) {
  for (const SaRef& sa : sas) {
    if (auto done = step(backend.add_sa(sa), "install", *sa, backend); !done) return done;
    now.sas[sa->id] = sa;
  }
  return {};
}

Result<void> remove(const std::vector<SaRef>& sas, Backend& backend, State& now) {
  for (const SaRef& sa : sas) {
    if (auto done = step(backend.remove_sa(sa), "remove", *sa, backend); !done) return done;
    now.sas.erase(sa->id);
  }
  return {};
}

Result<void> make(const Changes& changes, Backend& backend, State& now) {
  if (auto done = add(changes.add_in, backend, now); !done) return done;
  if (auto done = add(changes.add_out, backend, now); !done) return done;
  for (const PolicySpec& policy : changes.set_policies) {
    if (auto done = step(backend.add_policy(policy), "install", policy, backend); !done) return done;
    now.policies[policy.id] = policy;
  }
  for (const PolicySpec& policy : changes.remove_policies) {
    if (auto done = step(backend.remove_policy(policy), "remove", policy, backend); !done) return done;
    now.policies.erase(policy.id);
  }
  if (auto done = remove(changes.remove_out, backend, now); !done) return done;
  return remove(changes.remove_in, backend, now);
}

}  // namespace

bool Changes::empty() const {
  return add_in.empty() && add_out.empty() && set_policies.empty() && remove_policies.empty() &&
         remove_out.empty() && remove_in.empty();
}

PolicyId Established::narrow(const SaSpec& sa, const PolicySpec& parent, PolicyIds& ids) {
  const auto [known, fresh] = narrowed_ids_.try_emplace({parent.id, in_order(sa.selectors)});
  if (fresh) {
    known->second = ids.fresh();
    narrowed_[known->second] = {.parent = parent.id, .selectors = known->first.second, .users = {}};
  }
  narrowed_[known->second].users.insert(sa.id);
  return known->second;
}

SaRef Established::add(const ike::InstallSa& install, const Config& config, PolicyIds& ids) {
  const PolicySpec* parent = config.policy(install.sa->policy);
  SaRef sa = install.sa;
  if (parent && !whole(*sa, *parent)) sa = with_policy(*sa, narrow(*sa, *parent, ids));
  if (sa->direction == Direction::kOut) outbound_[sa->policy].insert(sa->id);
  sas_[sa->id] = {sa, install.connection, install.child_name};
  return sa;
}

SaRef Established::remove(SaId id) {
  auto node = sas_.extract(id);
  if (node.empty()) return nullptr;
  SaRef sa = node.mapped().sa;
  if (const auto out = outbound_.find(sa->policy); out != outbound_.end()) {
    out->second.erase(id);
    if (out->second.empty()) outbound_.erase(out);
  }
  const auto own = narrowed_.find(sa->policy);
  if (own == narrowed_.end()) return sa;
  own->second.users.erase(id);
  if (own->second.users.empty()) {
    narrowed_ids_.erase({own->second.parent, own->second.selectors});
    narrowed_.erase(own);
  }
  return sa;
}

PolicyId Established::parent(PolicyId id) const {
  const auto own = narrowed_.find(id);
  return own == narrowed_.end() ? id : own->second.parent;
}

std::vector<PolicyId> Established::narrowed() const {
  std::vector<PolicyId> out;
  out.reserve(narrowed_.size());
  for (const auto& [id, own] : narrowed_) out.push_back(id);
  return out;
}

std::optional<PolicySpec> Established::policy(PolicyId id, const Config& config) const {
  const PolicySpec* parent = config.policy(this->parent(id));
  if (!parent) return std::nullopt;
  PolicySpec out = *parent;
  if (const auto own = narrowed_.find(id); own != narrowed_.end()) {
    out.id = id;
    out.name += "-" + std::to_string(static_cast<std::uint32_t>(id));
    out.order = parent->order - 1;
    out.selectors = own->second.selectors;
  }
  if (out.selectors.local.empty() || out.selectors.remote.empty()) return std::nullopt;
  if (const auto sas = outbound_.find(id); sas != outbound_.end()) {
    const SaSpec& newest = *sas_.at(*sas->second.rbegin()).sa;
    out.tunnel = TunnelEnds{newest.source, newest.destination};
  }
  return out;
}

State desired(const Config& config, const Established& established, const ByHand& by_hand) {
  State out;
  for (const auto& [id, entry] : established.sas()) out.sas[id] = entry.sa;
  for (const SaRef& sa : by_hand.sas) out.sas[sa->id] = sa;
  const auto want = [&](PolicyId id) {
    if (auto policy = established.policy(id, config)) out.policies.emplace(id, std::move(*policy));
  };
  for (const PolicySpec& policy : config.policies) want(policy.id);
  for (const PolicyId id : established.narrowed()) want(id);
  for (const PolicySpec& policy : by_hand.policies) out.policies[policy.id] = policy;
  return out;
}

Changes diff(const State& want, const State& now) {
  Changes out;
  for (const auto& [id, sa] : want.sas)
    if (!now.sas.contains(id)) add_sa(out, sa);
  for (const auto& [id, policy] : want.policies) {
    const auto have = now.policies.find(id);
    if (have == now.policies.end() || have->second != policy) out.set_policies.push_back(policy);
  }
  for (const auto& [id, policy] : now.policies)
    if (!want.policies.contains(id)) out.remove_policies.push_back(policy);
  for (const auto& [id, sa] : now.sas)
    if (!want.sas.contains(id)) remove_sa(out, sa);
  // Where a backend makes them one by one, nothing may pass in the clear between two of them.
  std::ranges::stable_partition(out.set_policies,
                                [](const PolicySpec& p) { return p.action != Action::kBypass; });
  std::ranges::stable_partition(out.remove_policies,
                                [](const PolicySpec& p) { return p.action == Action::kBypass; });
  return out;
}

Changes changes_of(const SaRef& sa, const Config& config, const Established& established, const State& now) {
  Changes out;
  const bool want_sa = established.sas().contains(sa->id), have_sa = now.sas.contains(sa->id);
  if (want_sa && !have_sa) add_sa(out, sa);
  if (!want_sa && have_sa) remove_sa(out, sa);
  const auto want = established.policy(sa->policy, config);
  const auto have = now.policies.find(sa->policy);
  if (want && (have == now.policies.end() || have->second != *want)) out.set_policies.push_back(*want);
  if (!want && have != now.policies.end()) out.remove_policies.push_back(have->second);
  return out;
}

Result<void> apply(const Changes& changes, Backend& backend, State& now) {
  auto done = make(changes, backend, now);
  backend.commit();  // what was made before an error is true as well
  return done;
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

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

SaRef with_policy(const SaSpec& sa, PolicyId policy, PolicyId child) {
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
                                               .child = child,
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

// Makes changes one by one, whatever fails: one entry that cannot be set must not keep the others, which may
// be what closes the gateway, from their places. The first error is told.
class Maker {
 public:
  Maker(Backend& backend, State& now) : backend_(backend), now_(now) {}

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
      if (!closed_ && policy.action == Action::kBypass) continue;
      if (done(backend_.add_policy(policy), "install", policy))
        now_.policies[policy.id] = policy;
      else if (policy.action != Action::kBypass)
        stay_closed(policy.id);
    }
  }
  void remove(const std::vector<PolicySpec>& policies) {
    for (const PolicySpec& policy : policies) {
      const bool opens = policy.action == Action::kBypass;
      if (!closed_ && !opens) continue;
      if (done(backend_.remove_policy(policy), "remove", policy))
        now_.policies.erase(policy.id);
      else if (opens)
        closed_ = false;
    }
  }

  const Result<void>& first() const { return first_; }

 private:
  bool done(const Result<void>& step, std::string_view verb, const auto& what) {
    if (!step && first_)
      first_ = fail(std::string(backend_.name()) + ": cannot " + std::string(verb) + " " + text(what) + ": " +
                    step.error().what);
    return step.has_value();
  }

  // The entry with this id cannot be set: if it was a BYPASS until now, that does not stay in its place.
  void stay_closed(PolicyId id) {
    closed_ = false;
    const auto before = now_.policies.find(id);
    if (before == now_.policies.end() || before->second.action != Action::kBypass) return;
    if (done(backend_.remove_policy(before->second), "remove", before->second)) now_.policies.erase(before);
  }

  Backend& backend_;
  State& now_;
  Result<void> first_;
  bool closed_ = true;  // all that closes is in its place
};

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
  if (parent && !whole(*sa, *parent)) sa = with_policy(*sa, narrow(*sa, *parent, ids), parent->id);
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

Changes changes_of(const std::vector<SaRef>& sas, const Config& config, const Established& established,
                   const State& now) {
  Changes out;
  std::set<SaId> seen;
  std::set<PolicyId> entries;
  for (const SaRef& sa : sas) {
    const bool want_sa = established.sas().contains(sa->id), have_sa = now.sas.contains(sa->id);
    if (want_sa != have_sa && seen.insert(sa->id).second) (want_sa ? add_sa : remove_sa)(out, sa);
    if (!entries.insert(sa->policy).second) continue;
    const auto want = established.policy(sa->policy, config);
    const auto have = now.policies.find(sa->policy);
    if (want && (have == now.policies.end() || have->second != *want)) out.set_policies.push_back(*want);
    if (!want && have != now.policies.end()) out.remove_policies.push_back(have->second);
  }
  return out;
}

Result<void> apply(const Changes& changes, Backend& backend, State& now) {
  Maker maker(backend, now);
  maker.add(changes.add_in);
  maker.add(changes.add_out);
  maker.set(changes.set_policies);
  maker.remove(changes.remove_policies);
  maker.remove(changes.remove_out);
  maker.remove(changes.remove_in);
  backend.commit();  // what was made beside an error is true as well
  return maker.first();
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

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/child_sa_table.h"

namespace simplon::ctrl {
namespace {

// Whether the SA's selectors cover all that the entry's do.
bool covers_entry(const SaSpec& sa, const PolicySpec& entry) {
  const Selectors& s = entry.selectors;
  return !s.local.empty() && !s.remote.empty() && covers(sa.selectors, s);
}

SaRef with_policy(const SaSpec& sa, PolicyId policy, PolicyId child) {
  SaSpec copy = sa;
  copy.policy = policy;
  copy.child = child;
  return std::make_shared<const SaSpec>(std::move(copy));
}

}  // namespace

PolicyId ChildSaTable::narrow(const SaSpec& sa, const PolicySpec& parent, PolicyIds& ids) {
  const auto [known, fresh] = narrowed_ids_.try_emplace({parent.id, in_order(sa.selectors)});
  if (fresh) {
    known->second = ids.fresh();
    narrowed_[known->second] = {.parent = parent.id, .selectors = known->first.second, .users = {}};
  }
  narrowed_[known->second].users.insert(sa.id);
  return known->second;
}

SaRef ChildSaTable::add(const ike::InstallSa& install, const Config& config, PolicyIds& ids) {
  const PolicySpec* parent = config.policy(install.sa->policy);
  SaRef sa = install.sa;
  if (parent && !covers_entry(*sa, *parent)) sa = with_policy(*sa, narrow(*sa, *parent, ids), parent->id);
  if (sa->direction == Direction::kOut) outbound_[sa->policy].insert(sa->id);
  sas_[sa->id] = {sa, install.connection, install.child_name, install.child};
  return sa;
}

SaRef ChildSaTable::move(const SaSpec& sa) {
  const auto found = sas_.find(sa.id);
  if (found == sas_.end()) return nullptr;
  SaRef& entry = found->second.sa;
  return entry = with_policy(sa, entry->policy, entry->child);
}

SaRef ChildSaTable::remove(SaId id) {
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

PolicyId ChildSaTable::parent(PolicyId id) const {
  const auto own = narrowed_.find(id);
  return own == narrowed_.end() ? id : own->second.parent;
}

std::vector<PolicyId> ChildSaTable::narrowed() const {
  std::vector<PolicyId> out;
  out.reserve(narrowed_.size());
  for (const auto& [id, own] : narrowed_) out.push_back(id);
  return out;
}

std::optional<PolicySpec> ChildSaTable::policy(PolicyId id, const Config& config) const {
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
    out.mode = newest.mode;  // tunnel mode, where the peer has no other for a child in transport mode
  }
  return out;
}

}  // namespace simplon::ctrl

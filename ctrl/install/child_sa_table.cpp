// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/child_sa_table.h"

namespace simplon::ctrl {
namespace {

// Whether the SA's selectors cover all that the entry's do.
bool covers_entry(const SaSpec& sa, const PolicySpec& entry) {
  const Selectors& s = entry.selectors;
  return !s.local.empty() && !s.remote.empty() && covers(sa.selectors, s);
}

// `sa` with the entries of `as`.
SaRef with_entries(SaSpec sa, const SaSpec& as) {
  sa.policy = as.policy;
  sa.child = as.child;
  sa.over = as.over;
  return std::make_shared<const SaSpec>(std::move(sa));
}

bool is_open(const PolicySpec& entry) {
  return entry.selectors.local.empty() || entry.selectors.remote.empty();
}

// Of an entry that is open, those that its SA between the ends of `inner` has (RFC 4301 §4.5: the packets of
// `inner` are what it is for).
Selectors around(const SaSpec& inner, const PolicySpec& entry) {
  const bool out = inner.direction == Direction::kOut;
  const auto side = [&](const TrafficSelectors& named, const IpAddress& end) {
    const std::uint8_t protocol = inner.protocol == IpsecProtocol::kAh ? kAh : kEsp;
    return named.empty() ? TrafficSelectors{{.protocol = protocol, .addresses = {end, end}}} : named;
  };
  return {side(entry.selectors.local, out ? inner.source : inner.destination),
          side(entry.selectors.remote, out ? inner.destination : inner.source)};
}

}  // namespace

PolicyId ChildSaTable::narrow(SaId user, const Selectors& selectors, const PolicySpec& parent,
                              PolicyIds& ids) {
  const auto [known, fresh] = narrowed_ids_.try_emplace({parent.id, in_order(selectors)});
  if (fresh) {
    known->second = ids.fresh();
    narrowed_[known->second] = {.parent = parent.id, .selectors = known->first.second, .users = {}};
  }
  narrowed_[known->second].users.insert(user);
  return known->second;
}

SaRef ChildSaTable::add(const ike::InstallSa& install, const Config& config, PolicyIds& ids) {
  const PolicySpec* parent = config.policy(install.sa->policy);
  const PolicySpec* over = config.policy(install.sa->over);
  SaRef sa = install.sa;
  SaSpec own = *sa;
  if (parent && !covers_entry(own, *parent)) {
    own.policy = narrow(own.id, own.selectors, *parent, ids);
    own.child = parent->id;
  }
  if (over && is_open(*over)) own.over = narrow(own.id, around(own, *over), *over, ids);
  if (own.policy != sa->policy || own.over != sa->over) sa = with_entries(*sa, own);
  if (sa->direction == Direction::kOut) outbound_[sa->policy].insert(sa->id);
  by_entry_[sa->policy].insert(sa->id);
  sas_[sa->id] = {sa, install.connection, install.child_name, install.child};
  return sa;
}

SaRef ChildSaTable::move(const SaSpec& sa) {
  const auto found = sas_.find(sa.id);
  if (found == sas_.end()) return nullptr;
  SaRef& entry = found->second.sa;
  return entry = with_entries(sa, *entry);
}

SaRef ChildSaTable::remove(SaId id) {
  auto node = sas_.extract(id);
  if (node.empty()) return nullptr;
  SaRef sa = node.mapped().sa;
  for (auto* index : {&outbound_, &by_entry_})
    if (const auto found = index->find(sa->policy); found != index->end()) {
      found->second.erase(id);
      if (found->second.empty()) index->erase(found);
    }
  for (const PolicyId entry : {sa->policy, sa->over}) leave(entry, id);
  return sa;
}

void ChildSaTable::leave(PolicyId entry, SaId user) {
  const auto own = narrowed_.find(entry);
  if (own == narrowed_.end()) return;
  own->second.users.erase(user);
  if (!own->second.users.empty()) return;
  narrowed_ids_.erase({own->second.parent, own->second.selectors});
  narrowed_.erase(own);
}

PolicyId ChildSaTable::parent(PolicyId id) const {
  const auto own = narrowed_.find(id);
  return own == narrowed_.end() ? id : own->second.parent;
}

std::vector<SaRef> ChildSaTable::of_entry(PolicyId id) const {
  std::vector<SaRef> out;
  if (const auto found = by_entry_.find(id); found != by_entry_.end())
    for (const SaId sa : found->second) out.push_back(sas_.at(sa).sa);
  return out;
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
    out.over = newest.over;
    out.mode = newest.mode;  // tunnel mode, where the peer has no other for a child in transport mode
  }
  return out;
}

}  // namespace simplon::ctrl

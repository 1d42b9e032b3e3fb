// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/nft_rules.h"

#include <netinet/in.h>

#include <algorithm>

namespace simplon::ctrl {
namespace {

bool closes(const PolicySpec& policy) { return policy.action != Action::kBypass; }

bool overlap(const PolicySpec& a, const PolicySpec& b) { return overlap(a.selectors, b.selectors); }

bool before(const PolicySpec& a, const PolicySpec& b) {
  return std::pair(a.order, a.id) < std::pair(b.order, b.id);
}

}  // namespace

bool NftRules::has_like(const PolicySpec& policy) const {
  const auto found = entries_.find(policy.id);
  if (found == entries_.end()) return false;
  const PolicySpec& have = found->second.policy;
  return have.order == policy.order && closes(have) == closes(policy) && have.direction == policy.direction &&
         have.child == policy.child && have.selectors == policy.selectors && have.kernel == policy.kernel;
}

// Whether the entry of its child closes all that it closes (child_sa_table.h): then it needs nothing of its
// own.
bool NftRules::inherits(const PolicySpec& policy) const {
  const auto parent = entries_.find(policy.child);
  if (policy.child == policy.id || parent == entries_.end() || !closes(parent->second.policy)) return false;
  return parent->second.policy.kernel.mark == policy.kernel.mark &&
         covers(parent->second.policy.selectors, policy.selectors);
}

void NftRules::put(const PolicySpec& policy, const std::vector<KernelPolicy>& kernel) {
  if (has_like(policy)) return;
  remove(policy.id);
  Entry& entry = entries_[policy.id] = {policy, {}, false};
  for (const KernelPolicy& k : kernel)
    if (k.direction == XFRM_POLICY_OUT || k.direction == XFRM_POLICY_IN)
      entry.elements.push_back(nft_element(k.selector, k.direction == XFRM_POLICY_OUT, k.mark));
  if (!closes(policy))
    all_ = true;
  else if ((entry.heir = inherits(policy)))
    ++heirs_[policy.child];
  else if (place(entry))
    for (const NftElement& element : entry.elements) write(element);
  else
    all_now_ = true;
}

// What it closed stays closed until commit().
void NftRules::remove(PolicyId id) {
  const auto gone = entries_.extract(id);
  if (gone.empty()) return;
  const Entry& entry = gone.mapped();
  bypasses_.erase(id);
  if (!closes(entry.policy) || heirs_.erase(id) != 0) all_ = true;
  if (!closes(entry.policy)) return;
  if (entry.heir) {
    if (const auto heirs = heirs_.find(entry.policy.child); heirs != heirs_.end() && --heirs->second == 0)
      heirs_.erase(heirs);
    return;
  }
  stale_.insert(stale_.end(), entry.elements.begin(), entry.elements.end());
}

// The level of an entry that closes, among the BYPASSes that are written. False: one of them stands before it
// that should not.
bool NftRules::place(Entry& entry) {
  unsigned level = 0;
  bool good = true;
  for (const auto& [id, at] : bypasses_) {
    const PolicySpec& bypass = entries_.at(id).policy;
    if (before(bypass, entry.policy) && overlap(bypass, entry.policy)) level = std::max(level, at);
  }
  for (const auto& [id, at] : bypasses_) {
    const PolicySpec& bypass = entries_.at(id).policy;
    good = good && (at > level || before(bypass, entry.policy) || !overlap(bypass, entry.policy));
  }
  for (auto& [shape, element] : entry.elements) shape.level = level, shape.closes = true;
  return good;
}

void NftRules::place_all() {
  std::vector<Entry*> all;
  all.reserve(entries_.size());
  for (auto& [id, entry] : entries_) all.push_back(&entry);
  std::ranges::sort(all, [](const Entry* a, const Entry* b) { return before(a->policy, b->policy); });
  sets_.clear();
  added_.clear();
  bypasses_.clear();
  heirs_.clear();
  std::vector<std::pair<const PolicySpec*, unsigned>> closed;
  for (Entry* entry : all) {
    entry->heir = closes(entry->policy) && inherits(entry->policy);
    if (entry->heir) {
      ++heirs_[entry->policy.child];
      continue;
    }
    if (closes(entry->policy)) {
      place(*entry);
      if (!entry->elements.empty()) closed.emplace_back(&entry->policy, entry->elements[0].first.level);
    } else {
      unsigned level = 1;
      for (const auto& [policy, at] : closed)
        if (at >= level && overlap(*policy, entry->policy)) level = at + 1;
      bypasses_[entry->policy.id] = level;
      for (auto& [shape, element] : entry->elements) shape.level = level, shape.closes = false;
    }
    for (const auto& [shape, element] : entry->elements) ++sets_[shape][element];
  }
  for (const auto& [shape, element] : stale_) ++sets_[shape][element];
}

void NftRules::write(const NftElement& element) {
  const auto set = sets_.find(element.first);
  if (set == sets_.end()) all_now_ = true;  // its rule is not there
  if (sets_[element.first][element.second]++ == 0) added_.push_back(element);
}

std::string NftRules::close() {
  if (!all_now_) return write_added();
  all_now_ = false;
  place_all();
  return whole();
}

std::string NftRules::commit() {
  if (all_ || all_now_) {
    all_ = all_now_ = false;
    stale_.clear();
    place_all();
    return whole();
  }
  std::string out = write_added();
  bool rewrite = false;
  for (const NftElement& element : std::exchange(stale_, {})) {
    auto& set = sets_[element.first];
    const auto found = set.find(element.second);
    if (found == set.end() || --found->second != 0) continue;
    set.erase(found);
    out += nft_change("delete", element);
    if (!element.second.empty()) continue;
    sets_.erase(element.first);
    rewrite = true;
  }
  return rewrite ? whole() : out;
}

std::string NftRules::write_added() {
  std::string out;
  for (const NftElement& element : std::exchange(added_, {})) out += nft_change("add", element);
  return out;
}

}  // namespace simplon::ctrl

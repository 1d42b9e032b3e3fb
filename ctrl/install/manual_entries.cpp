// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/manual_entries.h"

#include <algorithm>
#include <utility>

namespace simplon::ctrl {

SaRef ManualEntries::add(SaSpec sa, Now now) {
  sa.id = SaId{last_id_ + 1};
  adopt(sa, now);
  return sas_.back();
}

void ManualEntries::adopt(const SaSpec& sa, Now now) {
  last_id_ = std::max(last_id_, static_cast<std::uint64_t>(sa.id));
  sas_.push_back(std::make_shared<const SaSpec>(sa));
  ages_[sa.id].since = now;
}

SaRef ManualEntries::remove(SaId id) {
  const auto found = std::ranges::find(sas_, id, [](const SaRef& sa) { return sa->id; });
  if (found == sas_.end()) return nullptr;
  SaRef out = std::move(*found);
  sas_.erase(found);
  ages_.erase(id);
  return out;
}

std::optional<PolicySpec> ManualEntries::remove(PolicyId id) {
  const auto found = std::ranges::find(policies_, id, &PolicySpec::id);
  if (found == policies_.end()) return std::nullopt;
  PolicySpec out = std::move(*found);
  policies_.erase(found);
  return out;
}

std::vector<ManualEntries::Limit> ManualEntries::aged(Now now) {
  std::vector<Limit> out;
  for (const SaRef& sa : sas_) {
    const auto age = now - ages_.at(sa->id).since;
    for (const bool hard : {false, true}) {
      const std::chrono::seconds limit = hard ? sa->hard.time : sa->soft.time;
      if (limit.count() == 0 || age < limit) continue;
      if (const auto told = reached(sa->id, hard)) out.push_back(*told);
    }
  }
  return out;
}

std::optional<ManualEntries::Limit> ManualEntries::reached(SaId id, bool hard) {
  const auto found = std::ranges::find(sas_, id, [](const SaRef& sa) { return sa->id; });
  if (found == sas_.end()) return std::nullopt;
  if (!hard && std::exchange(ages_.at(id).soft_told, true)) return std::nullopt;
  return Limit{*found, hard};
}

}  // namespace simplon::ctrl

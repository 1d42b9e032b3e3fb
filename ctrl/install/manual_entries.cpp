// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/manual_entries.h"

#include <algorithm>
#include <utility>

namespace simplon::ctrl {

SaRef ManualEntries::add(SaSpec sa, Now now) {
  sa.id = SaId{++last_id_};
  sas_.push_back(std::make_shared<const SaSpec>(std::move(sa)));
  ages_[sas_.back()->id].since = now;
  return sas_.back();
}

bool ManualEntries::remove(SaId id) {
  ages_.erase(id);
  return std::erase_if(sas_, [id](const SaRef& sa) { return sa->id == id; }) != 0;
}

bool ManualEntries::remove(PolicyId id) {
  return std::erase_if(policies_, [id](const PolicySpec& p) { return p.id == id; }) != 0;
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

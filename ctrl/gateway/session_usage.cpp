// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/session_usage.h"

namespace simplon::ctrl {

void SessionUsage::installed(const ike::InstallSa& install) {
  auto& total = totals_[install.ike];
  if (!total) total = std::make_shared<Total>();
  total->live.insert(install.sa->id);
  owners_[install.sa->id] = total;
}

void SessionUsage::removed(SaId sa) {
  const auto node = owners_.extract(sa);
  if (node.empty()) return;
  add(sa, node.mapped()->gone);
  node.mapped()->live.erase(sa);
}

void SessionUsage::rekeyed(ike::IkeSaId from, ike::IkeSaId to) {
  const auto node = totals_.extract(from);
  if (!node.empty()) totals_[to] = node.mapped();
}

RadiusUsage SessionUsage::of(ike::IkeSaId ike) const {
  const auto found = totals_.find(ike);
  if (found == totals_.end()) return {};
  RadiusUsage out = found->second->gone;
  for (const SaId sa : found->second->live) add(sa, out);
  return out;
}

void SessionUsage::add(SaId sa, RadiusUsage& to) const {
  const auto& all = reconciler_.children().sas();
  const auto entry = all.find(sa);
  const auto counted = reconciler_.counters(sa);
  if (entry == all.end() || !counted) return;
  const bool in = entry->second.sa->direction == Direction::kIn;
  (in ? to.octets_in : to.octets_out) += counted->bytes;
  (in ? to.packets_in : to.packets_out) += counted->packets;
}

}  // namespace simplon::ctrl

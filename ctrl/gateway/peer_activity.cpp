// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/peer_activity.h"

namespace simplon::ctrl {

void PeerActivity::watch(ike::Now now) {
  const auto& children = reconciler_.children().sas();
  std::vector<SaRef> inbound;
  inbound.reserve(children.size());
  for (const auto& [id, entry] : children)
    if (entry.sa->direction == Direction::kIn) inbound.push_back(entry.sa);
  for (const auto& [id, packets] : reconciler_.packets(inbound)) {
    std::uint64_t& before = packets_[id];
    if (packets != before) endpoint_.active(id, now);
    before = packets;
  }
  std::erase_if(packets_, [&](const auto& seen) { return !children.contains(seen.first); });
}

}  // namespace simplon::ctrl

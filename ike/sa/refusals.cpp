// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/refusals.h"

#include <algorithm>

namespace simplon::ike {
namespace {

constexpr std::chrono::seconds kRefusedFor{30};
constexpr std::size_t kMostRefused = 64;

}  // namespace

ChildName name_of_class(const std::string& connection, const std::string& child, unsigned dscp_class) {
  if (dscp_class == 0) return {connection, child};
  return {connection, child + " class " + std::to_string(dscp_class)};  // no child has a name with a space
}

void Refusals::add(const ChildName& child, const Selectors& packet, Now now) {
  if (packet.local.empty() || packet.remote.empty()) return;
  std::deque<Refused>& all = by_child_[child];
  if (all.size() >= kMostRefused) all.pop_front();
  all.push_back({now + kRefusedFor,
                 {packet.local[0].addresses, packet.remote[0].addresses},
                 packet.remote[0].protocol});
}

bool Refusals::hold(const ChildName& child, const Selectors& packet, Now now) {
  const auto found = by_child_.find(child);
  if (found == by_child_.end()) return false;
  std::deque<Refused>& all = found->second;
  while (!all.empty() && all.front().until <= now) all.pop_front();
  if (all.empty())
    by_child_.erase(found);
  else if (all.size() >= kMostRefused)
    return true;
  else if (!packet.local.empty() && !packet.remote.empty())
    return std::ranges::any_of(all, [&](const Refused& r) {
      return r.flow == std::pair(packet.local[0].addresses, packet.remote[0].addresses) &&
             r.protocol == packet.remote[0].protocol;
    });
  return false;
}

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/path_mtu.h"

#include <algorithm>

namespace simplon::dp {

bool PathMtus::learn(const IpAddress& destination, std::uint16_t mtu, Now now) {
  mtu = std::max(mtu, destination.is_v4() ? kLeastIpv4Mtu : kLeastIpv6Mtu);
  if (mtu >= of(destination, now)) return false;
  if (paths_.size() >= kMost && !paths_.contains(destination)) return false;
  paths_[destination] = {mtu, now + kAge};
  return true;
}

std::uint16_t PathMtus::of(const IpAddress& destination, Now now) {
  const auto found = paths_.find(destination);
  if (found == paths_.end()) return kUnknown;
  if (now < found->second.until) return found->second.mtu;
  paths_.erase(found);
  return kUnknown;
}

}  // namespace simplon::dp

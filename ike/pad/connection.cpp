// SPDX-License-Identifier: Apache-2.0
#include "ike/pad/connection.h"

#include <algorithm>

namespace simplon::ike {

const ChildConfig* Connection::child(std::string_view child_name) const {
  const auto found = std::ranges::find(children, child_name, &ChildConfig::name);
  return found == children.end() ? nullptr : &*found;
}

bool Peer::may_be_at(const IpAddress& address) const {
  return remote_addrs.empty() ||
         std::ranges::any_of(remote_addrs, [&](const AddressRange& r) { return r.contains(address); });
}

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
#include "ike/pad/connection.h"

#include <algorithm>

namespace simplon::ike {

const ChildConfig* Connection::child(std::string_view child_name) const {
  const auto found = std::ranges::find(children, child_name, &ChildConfig::name);
  return found == children.end() ? nullptr : &*found;
}

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
// A descriptor that one process leaves to another, by the name of what it is.
#pragma once

#include <string>

namespace simplon::dp {

struct NamedDescriptor {
  std::string name;
  int fd = -1;
};

}  // namespace simplon::dp

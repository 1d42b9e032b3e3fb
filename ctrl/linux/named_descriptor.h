// SPDX-License-Identifier: Apache-2.0
// Descriptors that one process leaves to another in a socket between them, each with a name. They live as
// long as they are in it, whoever has ended meanwhile.
#pragma once

#include <string>
#include <vector>

#include "dp/base/named_descriptor.h"

namespace simplon::ctrl {

// As many as the socket takes; false: not all. The sender keeps its own.
bool leave_descriptors(int socket, const std::vector<dp::NamedDescriptor>& descriptors);
// All that are in it. The caller's from now on.
std::vector<dp::NamedDescriptor> take_descriptors(int socket);

}  // namespace simplon::ctrl

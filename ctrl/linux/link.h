// SPDX-License-Identifier: Apache-2.0
// A kernel interface: its number, and whether it is up. Control thread.
#pragma once

#include <string>

namespace simplon::ctrl {

// Its number; 0 when there is none of this name. Any socket will do: no descriptor is taken for it, so that
// an interface does not seem gone when descriptors are.
unsigned interface_index(int socket, const std::string& interface);
// IFF_UP: somebody set it up, whether it has a link or not.
bool is_set_up(int socket, const std::string& interface);

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// How the kernel watches the neighbours of an interface (ARP; RFC 4861 §7.3).
#pragma once

#include "ctrl/linux/netlink.h"

namespace simplon::ctrl {

// A neighbour that is in use is asked every few seconds whether it is still there, and when it does not
// answer at its address, all on the link are asked for it, while the old address is still used: one whose MAC
// has changed without a word is found again within seconds, and one that is silent for a moment is not lost.
// By its defaults the kernel would ask after up to a minute.
Result<void> watch_neighbours_closely(Netlink& requests, unsigned interface);

}  // namespace simplon::ctrl

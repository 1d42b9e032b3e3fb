// SPDX-License-Identifier: Apache-2.0
// The kernel as the forwarder, while there is no gateway. A process of its own, the guard's child: the guard
// stays small, and whatever happens here it can bring the gateway back.
#pragma once

#include <vector>

#include "ctrl/guard/region.h"

namespace simplon::ctrl {

// Never returns; ends with the process, by SIGKILL. The gateway must be dead. `sockets`: those of IKE.
//
// Each outbound SA begins at the ceiling of its lease: no number below it, and no IV made of one, is used
// again. Each inbound SA refuses all up to its floor. Policies and fence stand before an interface opens, so
// nothing that they protect passes in clear; what cannot be installed stays blocked. From then on what other
// programs change is put back.
[[noreturn]] void forward_by_kernel(const Region& region, const std::vector<int>& sockets);

// The guard ends: what is stopped is closed, as a gateway is. The SAs that are in the kernel are removed; if
// it forwarded, the interfaces are muted first. The policies stay.
void close_kernel(const Region& region);

}  // namespace simplon::ctrl

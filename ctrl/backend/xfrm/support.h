// SPDX-License-Identifier: Apache-2.0
// What the running kernel has beyond Linux 5.15, found out by asking it, whatever headers this was built
// with.
#pragma once

#include <linux/xfrm.h>

#include <cstdint>

#include "ctrl/linux/netlink.h"
#include "dp/base/sa_spec.h"

namespace simplon::ctrl {

// Linux 6.10: the kernel takes a packet in by an inbound SA alone, and sends by an outbound one alone. Older
// kernels pass over the attribute without a word.
inline constexpr std::uint16_t kSaDirection = 33;  // XFRMA_SA_DIR, one octet
constexpr std::uint8_t sa_direction(Direction direction) { return direction == Direction::kIn ? 1 : 2; }

struct KernelSupport {
  bool direction = false;
};

// Changes nothing in the kernel: what it asks is refused by any. `requests`: of NETLINK_XFRM.
KernelSupport probe_support(Netlink& requests);

}  // namespace simplon::ctrl

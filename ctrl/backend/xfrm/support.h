// SPDX-License-Identifier: Apache-2.0
// What the running kernel has beyond Linux 5.15, found out by asking it, whatever headers this was built
// with.
#pragma once

#include <linux/xfrm.h>

#include <cstdint>
#include <map>

#include "ctrl/linux/netlink.h"
#include "dp/base/sa_spec.h"

namespace simplon::ctrl {

// Linux 6.10: the kernel takes a packet in by an inbound SA alone, and sends by an outbound one alone. Older
// kernels pass over the attribute without a word.
inline constexpr std::uint16_t kSaDirection = 33;  // XFRMA_SA_DIR, one octet
constexpr std::uint8_t sa_direction(Direction direction) { return direction == Direction::kIn ? 1 : 2; }
// Linux 6.13: the SA is for the packets of one CPU.
inline constexpr std::uint16_t kSaCpu = 35;  // XFRMA_SA_PCPU, four octets

struct KernelSupport {
  bool direction = false;
};

// Changes nothing in the kernel: what it asks is refused by any. `requests`: of NETLINK_XFRM.
KernelSupport probe_support(Netlink& requests);

// Whether the kernel knows an attribute (XFRMA_*) of four octets or more. It is asked when somebody wants to
// know, and once: of some attributes it writes a line to its own log each time ("invalid length").
class KnownAttributes {
 public:
  bool has(Netlink& requests, std::uint16_t attribute);
  // What it was asked for so far, and what it answered.
  const std::map<std::uint16_t, bool>& asked() const { return asked_; }

 private:
  std::map<std::uint16_t, bool> asked_;
};

}  // namespace simplon::ctrl

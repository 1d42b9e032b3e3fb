// SPDX-License-Identifier: Apache-2.0
// Whether the running kernel was built with a suite: tried with an SA that is removed at once. By that the
// kernel also loads what it has as modules, which takes long once, up to seconds; until then it lets nobody
// else ask anything of XFRM in this network namespace.
#pragma once

#include <compare>
#include <cstdint>

#include "ctrl/linux/netlink.h"
#include "dp/base/sa_spec.h"

namespace simplon::ctrl {

// What the kernel has modules for.
struct KernelSuite {
  IpsecProtocol protocol;
  Family family;  // of the outer addresses
  const Encr* encr;
  const Integ* integ;
  friend auto operator<=>(const KernelSuite&, const KernelSuite&) = default;
};
KernelSuite kernel_suite(const SaSpec& sa);

// Two that are under way at a time do not meet.
enum class TrialFor : std::uint8_t { kPlacement, kStandby };

// Of `sa` the suite and the family are looked at, not the keys: the SA of the trial is inbound, between
// documentation addresses, and its keys are random. `requests`: of NETLINK_XFRM. An error says what the
// kernel lacks.
Result<void> try_suite(Netlink& requests, const SaSpec& sa, TrialFor whom);

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// Whether the running kernel was built with a suite: tried with an SA that is removed at once. By that the
// kernel also loads what it has as modules, which takes long once: seconds, for a whole suite.
#pragma once

#include <compare>

#include "ctrl/backend/xfrm/backend.h"

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

// An inbound SA between documentation addresses, with the suite and the keys of `sa`, of which nothing else
// is looked at.
SaSpec trial_of(const SaSpec& sa);
// One that a process has left that died meanwhile is removed.
Result<void> try_suite(XfrmBackend& kernel, const SaSpec& sa);

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// A drop of every packet that an interface receives, at its clsact ingress hook: a filter of the kernel's
// traffic control (cls_bpf, one instruction). Packet sockets and XDP have read the frame before. It stands
// apart from nftables, so that no `nft flush ruleset` removes it, and stays when the process ends.
// Control thread.
#pragma once

#include <string>

#include "dp/base/result.h"

namespace simplon::ctrl {

// Not set: "the kernel has no …" and the like. No error when it is set already.
Result<void> set_tc_drop(const std::string& interface);
// No error when there is none. The hook's queueing discipline goes with its last filter.
Result<void> remove_tc_drop(const std::string& interface);
Result<bool> has_tc_drop(const std::string& interface);

}  // namespace simplon::ctrl

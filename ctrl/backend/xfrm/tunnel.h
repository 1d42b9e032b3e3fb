// SPDX-License-Identifier: Apache-2.0
// TunnelOptions in the kernel's form, as far as it has one.
#pragma once

#include <linux/xfrm.h>

#include "ctrl/linux/netlink.h"
#include "dp/base/result.h"
#include "dp/base/sa_spec.h"

namespace simplon::ctrl {

// Whether the kernel can do this; the error begins with the key that it cannot.
Result<void> kernel_tunnel(const TunnelOptions& options);
// Of an SA that it can: flags and attributes. `info` is the message's header.
void put_tunnel(NetlinkMessage& message, xfrm_usersa_info& info, const SaSpec& sa);

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// KernelOptions in the kernel's form, and back. Internal to ctrl/backend/xfrm/.
#pragma once

#include <linux/xfrm.h>

#include "ctrl/backend/xfrm/support.h"
#include "ctrl/linux/netlink.h"
#include "dp/base/kernel_options.h"
#include "dp/base/policy_spec.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

// The mark and the interface: by them, too, Linux finds an SA or a policy. Of every message that names one.
void put_lookup(NetlinkMessage& message, const KernelOptions& options);
// All of them, of an SA that begins. `card`: the number of the device's interface.
void put_options(NetlinkMessage& message, const SaSpec& sa, unsigned card);
// Whether XFRM_MSG_UPDSA may change it in place: it would give a card a second SA beside the first.
bool can_update(const SaSpec& sa);
// Whether it may go on at another address, with its numbers, in a new SA of the kernel's. Outbound, the
// kernel makes the IV of a suite with a salt of the sequence number and of a random number that it draws
// whenever it sets up the cipher, and lets nobody set: the IVs after the move might repeat those before (RFC
// 4106 §3.1).
bool can_go_on(const SaSpec& sa);
// The mark and the interface that a message tells. `header`: the octets of its fixed header.
KernelOptions read_lookup(const nlmsghdr& message, std::size_t header);
// All that the message of an SA tells, but for the name of a card.
KernelOptions read_options(const nlmsghdr& sa);

// Whether an SA or an entry may have them, whatever the kernel; the error begins with the key that it cannot
// have.
Result<void> possible_options(const KernelOptions& options, IpsecProtocol protocol,
                              const TunnelOptions& tunnel = {},
                              Encapsulation encapsulation = Encapsulation::kNone);
// Whether the kernel knows them, and has the device of an offload.
Result<void> known_options(const KernelOptions& options, KnownAttributes& known, Netlink& requests);
// Whether the device has an offload at all. What of it is known when it has an SA.
Result<void> card_offloads(const KernelOptions& options);

}  // namespace simplon::ctrl

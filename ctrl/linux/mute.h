// SPDX-License-Identifier: Apache-2.0
// Mutes a kernel interface whose frames a port receives as well (af_packet, pcap, af_xdp). The kernel gets a
// copy of each frame and would answer or forward it a second time, in the clear.
//
// Muting is an nftables drop at the interface's netdev ingress hook, plus no IPv6 of the kernel's own on the
// interface. Packet sockets and XDP read the frame before that hook, so the port still receives. The drop
// stays when the process ends, on purpose: a gateway that stopped or crashed fails closed. Control thread.
#pragma once

#include <string>

#include "dp/base/result.h"

namespace simplon::ctrl {

// Does nothing twice: what a former run left is replaced in one transaction.
Result<void> mute(const std::string& interface);
// Gives the interface back to the kernel. No error when it is not muted.
Result<void> unmute(const std::string& interface);

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// Mutes a kernel interface whose frames a port receives as well (af_packet, pcap, af_xdp). The kernel gets a
// copy of each frame and would answer or forward it a second time, in the clear.
//
// Other programs change the kernel, so there is more than one lock, and no one command opens all of them:
//
//   tc drop          a filter at the clsact ingress hook; `nft flush ruleset` does not touch it
//   nftables drop    at the netdev ingress hook; whoever replaces tc filters does not touch it
//   IPv6 off, forwarding off, rp_filter, arp_ignore   what a copy could do that passed both
//
// Packet sockets and XDP read the frame before both hooks, so the port still receives. The locks stay when
// the process ends, on purpose: a gateway that stopped or crashed fails closed. Control thread.
#pragma once

#include <string>
#include <vector>

#include "dp/base/result.h"

namespace simplon::ctrl {

struct MissingLock {
  std::string lock, why;
};
// Closes all locks; what a former run left is replaced. An error when neither drop could be set. Otherwise
// the locks that this kernel does not have.
Result<std::vector<MissingLock>> mute(const std::string& interface);
// The first lock alone, by which nothing passes, for whom others wait; mute() closes the rest. An error when
// it cannot be set.
Result<void> mute_at_once(const std::string& interface);
// Gives the interface back to the kernel. No error when it is not muted.
Result<void> unmute(const std::string& interface);

// What was found open on a muted interface, and was closed again.
struct Reopened {
  std::vector<std::string> locks;   // "nftables drop"
  std::vector<std::string> failed;  // the errors of those that could not be closed
  bool open = false;                // no drop was in its place: the kernel took packets in
};
Reopened mute_again(const std::string& interface);

}  // namespace simplon::ctrl

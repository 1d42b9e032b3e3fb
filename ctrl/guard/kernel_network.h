// SPDX-License-Identifier: Apache-2.0
// The addresses, routes and neighbours of the ports, on the kernel's own interfaces instead of the TAPs,
// while the kernel forwards; and off again. One thread.
#pragma once

#include <string>
#include <vector>

#include "ctrl/guard/records.h"
#include "ctrl/guard/region.h"
#include "dp/base/policy_spec.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

// Ports without an interface stay closed; so do what is routed by them. The kernel looks a packet's route up
// before its policy, the data path does not: what a policy protects gets a route to the other end of its
// tunnel where it has none. The interfaces are still muted: opening them is the caller's. What failed; the
// rest is done.
std::vector<std::string> bring_to_kernel(const NetworkRecord& network,
                                         const std::vector<PolicySpec>& policies);
// The interfaces are open by now. Who was asked for while one was not yet has answered in vain.
Result<void> ask_neighbours_anew(const NetworkRecord& network);
// For the gateway that is back: the interfaces have been muted again. To the neighbours of
// `network` come those that the kernel has met.
std::vector<std::string> take_from_kernel(NetworkRecord& network, const std::vector<PolicySpec>& policies);

// The machine's own `ipv6.conf.all.forwarding`, without which no interface of it forwards IPv6.
void remember_ipv6_forwarding(SharedState& state);
void restore_ipv6_forwarding(SharedState& state);

// Routes to what the policies protect, by the way to the other end of the tunnel, behind every route that
// somebody has set. None to a prefix in which that end is.
std::vector<dp::Route> ways_of_protected(const std::vector<PolicySpec>& policies,
                                         const std::vector<dp::Route>& routes);

// The way that packets to `to` take: the route of the longest prefix. Null: there is none.
const dp::Route* way_to(const IpAddress& to, const std::vector<dp::Route>& routes);

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// Routes and next hop objects as rtnetlink tells them, read into dp::Route. Control thread.
#pragma once

#include <linux/netlink.h>

#include <map>
#include <vector>

#include "dp/base/network_spec.h"

namespace simplon::ctrl {

using PortsByInterface = std::map<unsigned, dp::PortIndex>;  // by the kernel's interface index

// A way of a route: gateway, port and weight, and whether the kernel would use it now.
struct KernelHop {
  unsigned interface = 0;
  std::optional<IpAddress> gateway;
  std::uint32_t weight = 1;
  bool usable = true;
};

// What `ip nexthop` shows: a hop, a group of others, or a blackhole.
struct NextHopObject {
  std::vector<KernelHop> hops;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> group;  // id, weight
};
using NextHopObjects = std::map<std::uint32_t, NextHopObject>;
void read_next_hop_object(const nlmsghdr& message, NextHopObjects& objects);

// A route of the main table that the data path can follow: one dp::Route a way that leads to a port, or one
// that refuses.
struct KernelRoute {
  std::vector<dp::Route> ways;
  std::vector<bool> usable;  // by way
};
enum class RouteFit : std::uint8_t {
  kFollowed,
  kElsewhere,  // of another table, or to no port
  kSpecial,    // for some packets of its destinations only: a TOS, a source
};
RouteFit read_route(const nlmsghdr& message, const PortsByInterface& ports, const NextHopObjects& objects,
                    KernelRoute& out);

// The broadcast address of a network of the host's, where the message tells of one.
std::optional<IpAddress> broadcast_of(const nlmsghdr& message);

// A rule (`ip rule`) that every machine has: all packets to the tables local, main and default.
bool is_standard_rule(const nlmsghdr& message);

}  // namespace simplon::ctrl

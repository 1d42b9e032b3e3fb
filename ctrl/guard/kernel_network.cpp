// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/kernel_network.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "ctrl/linux/ipv6_forwarding.h"
#include "ctrl/linux/network_mirror.h"

namespace simplon::ctrl {
namespace {

// Behind every route that somebody has set.
constexpr std::uint32_t kLastMetric = 0x7fffffff;
constexpr std::size_t kMostPrefixes = 64;  // of one selector: more routes than that nobody wants

void set(const std::string& path, const char* value) { std::ofstream("/proc/sys/net/" + path) << value; }

// The ports that have an interface, as a mirror of the kernel's network numbers them.
struct Reach {
  std::unique_ptr<NetworkMirror> mirror;
  std::map<dp::PortIndex, dp::PortIndex> ports;  // by their number in the record
};

Result<Reach> reach(const NetworkRecord& network) {
  Reach out;
  std::vector<std::string> interfaces;
  for (std::size_t i = 0; i < network.ports.size(); ++i) {
    if (network.ports[i].interface.empty()) continue;
    out.ports[dp::PortIndex{static_cast<std::uint16_t>(i)}] =
        dp::PortIndex{static_cast<std::uint16_t>(interfaces.size())};
    interfaces.push_back(network.ports[i].interface);
  }
  auto mirror = NetworkMirror::open(interfaces);
  if (!mirror) return std::unexpected(mirror.error());
  out.mirror = std::move(*mirror);
  return out;
}

bool is_link_local(const IpAddress& a) {
  static const Prefix kLinkLocal = *Prefix::parse("fe80::/10");
  return kLinkLocal.contains(a);
}

using OnAddress = Result<void> (NetworkMirror::*)(dp::PortIndex, const IpAddress&, std::uint8_t);
using OnRoute = Result<void> (NetworkMirror::*)(const dp::Route&);

// Done for each address and each route of a port that has an interface, but for those of the link itself,
// which the kernel makes of the same MAC. `failed`: what did; the rest is done.
void for_all(const Reach& to, const NetworkRecord& network, const std::vector<PolicySpec>& policies,
             OnAddress on_address, OnRoute on_route, std::vector<std::string>& failed) {
  const auto tell = [&](const Result<void>& done) {
    if (!done) failed.push_back(done.error().what);
  };
  NetworkMirror& kernel = *to.mirror;
  for (const dp::LocalAddress& a : network.addresses)
    if (const auto port = to.ports.find(*a.port); port != to.ports.end() && !is_link_local(a.address))
      tell((kernel.*on_address)(port->second, a.address, static_cast<std::uint8_t>(a.address.bits())));
  std::vector<dp::Route> routes = network.routes;
  const std::vector<dp::Route> ways = ways_of_protected(policies, routes);
  routes.insert(routes.end(), ways.begin(), ways.end());
  // Those to a link before those by a gateway on it.
  for (const bool by_gateway : {false, true})
    for (dp::Route r : routes) {
      const auto port = to.ports.find(r.port);
      if (r.gateway.has_value() != by_gateway || port == to.ports.end() || is_link_local(r.prefix.address))
        continue;
      r.port = port->second;
      tell((kernel.*on_route)(r));
    }
}

// One that cannot be told is asked for by the first packet.
void bring_neighbours(const Reach& to, const std::vector<dp::Neighbour>& neighbours) {
  for (dp::Neighbour neighbour : neighbours) {
    const auto port = to.ports.find(neighbour.port);
    if (port == to.ports.end()) continue;
    neighbour.port = port->second;
    [[maybe_unused]] const auto done = to.mirror->add_neighbour(neighbour);
  }
}

// What the kernel has heard is newer than what was known before it forwarded.
void read_neighbours(const Reach& from, std::vector<dp::Neighbour>& neighbours) {
  std::map<dp::NeighbourKey, dp::Mac> all;
  for (const dp::Neighbour& n : neighbours) all[{n.port, n.address}] = n.mac;
  for (const auto& [port, in_mirror] : from.ports)
    for (const dp::Neighbour& n : from.mirror->network().neighbours)
      if (n.port == in_mirror) all[{port, n.address}] = n.mac;
  neighbours.clear();
  for (const auto& [key, mac] : all) neighbours.push_back({key.address, key.port, mac});
}

constexpr const char* kIpv6Forwarding = "ipv6/conf/all/forwarding";

}  // namespace

void remember_ipv6_forwarding(SharedState& state) {
  int value = -1;
  std::ifstream(std::string("/proc/sys/net/") + kIpv6Forwarding) >> value;
  if (state.ipv6_forwarding < 0) state.ipv6_forwarding = value;
}

void restore_ipv6_forwarding(SharedState& state) {
  const int value = state.ipv6_forwarding.exchange(-1);
  if (value == 0) set(kIpv6Forwarding, "0");
}

const dp::Route* way_to(const IpAddress& to, const std::vector<dp::Route>& routes) {
  const dp::Route* best = nullptr;
  for (const dp::Route& r : routes)
    if (r.prefix.contains(to) && (best == nullptr || r.prefix.length > best->prefix.length ||
                                  (r.prefix.length == best->prefix.length && r.metric < best->metric)))
      best = &r;
  return best;
}

std::vector<dp::Route> ways_of_protected(const std::vector<PolicySpec>& policies,
                                         const std::vector<dp::Route>& routes) {
  std::vector<dp::Route> more;
  for (const PolicySpec& policy : policies) {
    if (policy.action != Action::kProtect || policy.mode != SaMode::kTunnel || !policy.tunnel) continue;
    const dp::Route* outer = way_to(policy.tunnel->remote, routes);
    if (outer == nullptr) continue;
    for (const SelectorSet& set : policy.selectors.sets())
      for (const TrafficSelector& s : set.remote)
        for (const Prefix& prefix : prefixes_of(s.addresses, kMostPrefixes)) {
          if (prefix.contains(policy.tunnel->remote)) continue;  // it has a route
          dp::Route route{.prefix = prefix, .gateway = outer->gateway, .port = outer->port};
          route.metric = kLastMetric;
          const IpAddress& end = policy.tunnel->remote;
          if (route.gateway && route.gateway->family() != prefix.address.family()) route.gateway.reset();
          if (!route.gateway && end.family() == prefix.address.family()) route.gateway = end;
          more.push_back(route);
        }
  }
  return more;
}

std::vector<std::string> bring_to_kernel(const NetworkRecord& network,
                                         const std::vector<PolicySpec>& policies) {
  for (const KernelPort& port : network.ports) {
    if (port.interface.empty()) continue;
    // Nobody else has these addresses: they were the port's until now.
    set("ipv6/conf/" + port.interface + "/accept_dad", "0");
    set("ipv6/conf/" + port.interface + "/disable_ipv6", "0");
    set("ipv4/conf/" + port.interface + "/forwarding", "1");
  }
  std::set<std::string> interfaces;
  for (const KernelPort& port : network.ports) interfaces.insert(port.interface);
  const auto is_v6 = [](const dp::LocalAddress& a) {
    return !a.address.is_v4() && !is_link_local(a.address);
  };
  if (std::ranges::any_of(network.addresses, is_v6)) forward_ipv6(interfaces);
  const auto to = reach(network);
  if (!to) return {to.error().what};
  std::vector<std::string> failed;
  bring_neighbours(*to, network.neighbours);
  for_all(*to, network, policies, &NetworkMirror::add_address, &NetworkMirror::add_route, failed);
  return failed;
}

Result<void> ask_neighbours_anew(const NetworkRecord& network) {
  auto to = reach(network);
  if (!to) return std::unexpected(to.error());
  return to->mirror->forget_silent();
}

std::vector<std::string> take_from_kernel(NetworkRecord& network, const std::vector<PolicySpec>& policies) {
  const auto from = reach(network);
  if (!from) return {from.error().what};
  std::vector<std::string> failed;
  read_neighbours(*from, network.neighbours);
  for_all(*from, network, policies, &NetworkMirror::remove_address, &NetworkMirror::remove_route, failed);
  return failed;
}

}  // namespace simplon::ctrl

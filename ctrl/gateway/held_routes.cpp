// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/held_routes.h"

#include <algorithm>
#include <iterator>
#include <set>

namespace simplon::ctrl {
namespace {

using Routes = std::map<Prefix, const dp::Route*>;

bool is_up(const dp::NetworkSpec& network, dp::PortIndex port) {
  return dp::is_tunnel(port) && std::ranges::binary_search(network.tunnels, port);
}

// The route to `prefix`, or else the longest of those that cover it; null: there is none.
const dp::Route* best(const Routes& routes, const Prefix& prefix) {
  for (int length = prefix.length; length >= 0; --length) {
    const auto bits = static_cast<std::uint8_t>(length);
    const auto found = routes.find({masked(prefix.address, bits), bits});
    if (found != routes.end()) return found->second;
  }
  return nullptr;
}

bool must_be_kept(const dp::Route& route, const Routes& routes, const dp::NetworkSpec& kernel) {
  const dp::Route* next = best(routes, route.prefix);
  if (next == nullptr) return true;
  if (is_up(kernel, next->port)) return false;
  return next->prefix != route.prefix || next->metric > route.metric;
}

// The kernel's routes into a tunnel interface, and of the routes before those that it has no more.
std::vector<dp::Route> joined(std::vector<dp::Route> now, const std::vector<dp::Route>& before) {
  std::set<Prefix> have;
  for (const dp::Route& route : now) have.insert(route.prefix);
  std::ranges::copy_if(before, std::back_inserter(now),
                       [&](const dp::Route& route) { return !have.contains(route.prefix); });
  return now;
}

}  // namespace

dp::NetworkSpec HeldRoutes::with_held(dp::NetworkSpec kernel, const std::vector<dp::PortIndex>& ours,
                                      ike::Now now) {
  std::erase_if(tunnels_, [&](const auto& t) { return std::ranges::find(ours, t.first) == ours.end(); });
  deadline_.reset();
  if (ours.empty()) return kernel;
  Routes routes;
  std::map<dp::PortIndex, std::vector<dp::Route>> into;
  for (const dp::Route& route : kernel.routes) {
    const dp::Route*& lowest = routes[route.prefix];
    if (lowest == nullptr || route.metric < lowest->metric) lowest = &route;
    if (dp::is_tunnel(route.port)) into[route.port].push_back(route);
  }
  std::vector<dp::Route> kept;
  for (const dp::PortIndex port : ours) {
    Tunnel& tunnel = tunnels_[port];
    const bool up = is_up(kernel, port);
    if (up && !tunnel.up) tunnel.until = now + kAfterUp;
    tunnel.up = up;
    const bool keeps = !up || now < tunnel.until;
    tunnel.routes = keeps ? joined(std::move(into[port]), tunnel.routes) : std::move(into[port]);
    const std::size_t before = kept.size();
    std::ranges::copy_if(tunnel.routes, std::back_inserter(kept),
                         [&](const dp::Route& r) { return must_be_kept(r, routes, kernel); });
    tunnel.held = kept.size() - before;
    if (up && keeps) deadline_ = std::min(deadline_.value_or(tunnel.until), tunnel.until);
  }
  kernel.routes.insert(kernel.routes.end(), kept.begin(), kept.end());
  return kernel;
}

std::size_t HeldRoutes::held(dp::PortIndex tunnel) const {
  const auto found = tunnels_.find(tunnel);
  return found == tunnels_.end() ? 0 : found->second.held;
}

}  // namespace simplon::ctrl

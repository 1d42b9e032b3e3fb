// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/network.h"

#include <algorithm>

namespace simplon::ctrl {

Result<std::unique_ptr<Network>> Network::open(const dp::Setup& setup, dp::DataPath& datapath, Log& log) {
  std::vector<std::string> taps;
  taps.reserve(setup.ports.size());
  for (const dp::PortSetup& port : setup.ports) taps.push_back(port.name);
  auto mirror = NetworkMirror::open(taps);
  if (!mirror) return std::unexpected(mirror.error());
  return std::unique_ptr<Network>(new Network(std::move(*mirror), datapath, log));
}

void Network::follow_kernel() {
  if (!mirror_->poll()) return;
  datapath_.set_network(mirror_->network());
  if (auto done = datapath_.commit(); !done) log_.error(Category::kNetwork, done.error().what);
}

std::vector<std::string> Network::configure(const Config& now, const std::vector<PortAddress>& old_addresses,
                                            const std::vector<dp::Route>& old_routes) {
  std::vector<std::string> errors;
  const auto tell = [&](const Result<void>& done) {
    if (!done) errors.push_back(done.error().what);
  };
  for (const dp::Route& route : old_routes)
    if (std::ranges::find(now.routes, route) == now.routes.end()) tell(mirror_->remove_route(route));
  for (const PortAddress& a : old_addresses)
    if (std::ranges::find(now.addresses, a) == now.addresses.end())
      tell(mirror_->remove_address(a.port, a.address, a.length));
  for (const PortAddress& a : now.addresses) tell(mirror_->add_address(a.port, a.address, a.length));
  for (const dp::Route& route : now.routes) tell(mirror_->add_route(route));
  return errors;
}

void Network::resolve(const dp::NeighbourWanted& wanted) {
  if (auto asked = mirror_->resolve(wanted.port, wanted.address); !asked)
    log_.debug(Category::kNetwork, asked.error().what);
}

}  // namespace simplon::ctrl

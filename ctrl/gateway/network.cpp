// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/network.h"

#include <algorithm>
#include <utility>

#include "ctrl/gateway/clock.h"
#include "ctrl/guard/kernel_network.h"

namespace simplon::ctrl {

Result<std::unique_ptr<Network>> Network::open(const dp::Setup& setup, dp::DataPath& datapath, Log& log,
                                               HostIpsec ipsec) {
  std::vector<std::string> taps;
  taps.reserve(setup.ports.size());
  std::vector<KernelPort> kernel_ports;
  for (const dp::PortSetup& port : setup.ports) {
    taps.push_back(port.name);
    // One that is several interfaces, or a part of one, is not for the kernel to forward by.
    const std::vector<std::string> shared =
        port.bond || port.vlan ? std::vector<std::string>{} : shared_interfaces(port.device);
    kernel_ports.push_back({port.name, shared.size() == 1 ? shared[0] : ""});
  }
  auto mirror = NetworkMirror::open(taps, ipsec);
  if (!mirror) return std::unexpected(mirror.error());
  std::unique_ptr<Network> network(
      new Network(std::move(taps), std::move(kernel_ports), std::move(*mirror), datapath, log));
  network->unprotected_.reserve(setup.ports.size());
  for (const dp::PortSetup& port : setup.ports)
    network->unprotected_.push_back(port.side == dp::Side::kUnprotected);
  network->watch_neighbours();
  network->warn_of_rules();
  return network;
}

// What the kernel does by them the data path does not.
void Network::warn_of_rules() {
  const NetworkMirror::Beyond now = mirror_->beyond(), before = std::exchange(beyond_, now);
  if (now.rules && !before.rules)
    log_.warning(
        Category::kNetwork,
        "the kernel has rules (ip rule) beside those of every machine: the data path does not follow "
        "them, it routes by the table main alone");
  if (now.special_routes && !before.special_routes)
    log_.warning(Category::kNetwork,
                 "the kernel has routes for a TOS or a source: the data path does not follow them");
}

void Network::follow_kernel() {
  const bool changed = mirror_->poll(), first = !std::exchange(published_, true);
  warn_of_rules();
  if (!changed && !first) return;  // all of it may be there from a process before
  compare_ = true;
  watch_neighbours();
  publish();
  tell_addresses();
}

void Network::tell_addresses() const {
  if (!on_addresses_ || mirror_->stale()) return;
  std::vector<IpAddress> first, others;
  for (const dp::LocalAddress& a : mirror_->network().addresses) {
    if (a.port && dp::is_tunnel(*a.port)) continue;
    const bool outside = a.port && unprotected_[static_cast<std::size_t>(*a.port)];
    (outside ? first : others).push_back(a.address);
  }
  first.insert(first.end(), others.begin(), others.end());
  on_addresses_(first);
}

void Network::publish() {
  std::vector<dp::PortIndex> ours;
  ours.reserve(tunnels_.size());
  for (const auto& [port, name] : tunnels_) ours.push_back(port);
  datapath_.set_network(held_.with_held(mirror_->network(), ours, clock_now()));
  if (auto done = datapath_.commit(); !done) log_.error(Category::kNetwork, done.error().what);
  tell_held();
  keep();
}

void Network::set_keeper(Keeper keeper) {
  keeper_ = std::move(keeper);
  keep();
}

void Network::keep() const {
  if (!keeper_) return;
  NetworkRecord record{.ports = kernel_ports_, .addresses = {}, .routes = {}, .neighbours = {}};
  const dp::NetworkSpec& kernel = mirror_->network();
  const auto is_port = [&](dp::PortIndex port) {
    return static_cast<std::size_t>(port) < kernel_ports_.size();
  };
  for (const dp::LocalAddress& address : kernel.addresses)
    if (address.port && is_port(*address.port)) record.addresses.push_back(address);
  for (const dp::Route& route : kernel.routes)
    if (route.kind == dp::RouteKind::kForward && is_port(route.port)) record.routes.push_back(route);
  for (const dp::Neighbour& neighbour : kernel.neighbours)
    if (is_port(neighbour.port) && record.neighbours.size() < NetworkRecord::kMostNeighbours)
      record.neighbours.push_back(neighbour);
  keeper_(record);
}

// One that cannot be told is asked for by the first packet.
void Network::meet(const NetworkRecord& former) {
  for (dp::Neighbour neighbour : former.neighbours) {
    const KernelPort& of = former.ports[static_cast<std::size_t>(neighbour.port)];
    const auto port = std::ranges::find(kernel_ports_, of);
    if (port == kernel_ports_.end()) continue;
    neighbour.port = dp::PortIndex{static_cast<std::uint16_t>(port - kernel_ports_.begin())};
    [[maybe_unused]] const auto done = mirror_->add_neighbour(neighbour);
  }
}

void Network::tell_held() {
  for (const auto& [port, name] : tunnels_) {
    const std::size_t held = held_.held(port);
    if (std::exchange(told_held_[port], held != 0) == (held != 0)) continue;
    log_.warning(
        Category::kNetwork,
        name_of(port) + (held != 0 ? " is down or has lost its routes: what " + std::to_string(held) +
                                         " of them led to is dropped until it is up, or routed elsewhere"
                                   : " has its routes again, or they are given up"));
  }
}

std::string Network::name_of(dp::PortIndex port) const {
  if (!dp::is_tunnel(port)) return "port " + ports_[static_cast<std::size_t>(port)];
  const auto found = tunnels_.find(port);
  return found == tunnels_.end() ? "an interface that is gone" : "interface " + found->second;
}

// Those that were removed.
std::vector<dp::PortIndex> Network::set_tunnels(const Config& now, std::vector<std::string>& errors) {
  const std::map<dp::PortIndex, std::string> before = std::exchange(tunnels_, {});
  for (const dp::TunnelSetup& tunnel : now.tunnels) tunnels_[dp::port_of(tunnel.id)] = tunnel.name;
  if (auto done = datapath_.set_tunnels(now.tunnels); !done) errors.push_back(done.error().what);
  mirror_->follow_tunnels(tunnels_);
  watch_neighbours();
  std::vector<dp::PortIndex> gone;
  for (const auto& [port, name] : before)
    if (!tunnels_.contains(port)) gone.push_back(port);
  return gone;
}

std::vector<std::string> Network::configure(const Config& now, const std::vector<PortAddress>& old_addresses,
                                            const std::vector<dp::Route>& old_routes) {
  addresses_ = now.addresses;
  routes_ = now.routes;
  std::vector<std::string> errors;
  const auto tell = [&](const Result<void>& done) {
    if (!done) errors.push_back(done.error().what);
  };
  const std::vector<dp::PortIndex> removed = set_tunnels(now, errors);
  const auto is_gone = [&](dp::PortIndex port) { return std::ranges::find(removed, port) != removed.end(); };
  for (auto& [connection, addresses] : assigned_)
    std::erase_if(addresses, [&](const PortAddress& a) { return is_gone(a.port); });
  for (const dp::Route& route : old_routes)
    if (!is_gone(route.port) && std::ranges::find(now.routes, route) == now.routes.end())
      tell(mirror_->remove_route(route));
  for (const PortAddress& a : old_addresses)
    if (!is_gone(a.port) && std::ranges::find(now.addresses, a) == now.addresses.end())
      tell(mirror_->remove_address(a.port, a.address, a.length));
  for (const PortAddress& a : now.addresses) tell(mirror_->add_address(a.port, a.address, a.length));
  for (const dp::Route& route : now.routes) tell(mirror_->add_route(route));
  return errors;
}

void Network::assign(const std::string& connection, const std::vector<PortAddress>& addresses) {
  const std::vector<PortAddress> before = std::exchange(assigned_[connection], addresses);
  if (addresses.empty()) assigned_.erase(connection);
  const auto tell = [&](const Result<void>& done) {
    if (!done) log_.warning(Category::kNetwork, done.error().what);
  };
  for (const PortAddress& a : before)
    if (std::ranges::find(addresses, a) == addresses.end())
      tell(mirror_->remove_address(a.port, a.address, a.length));
  for (const PortAddress& a : addresses) tell(mirror_->add_address(a.port, a.address, a.length));
  // A route by the interface that the kernel refused before may be possible now.
  compare_ = true;
}

// Those of the configuration and those that peers gave.
std::vector<PortAddress> Network::all_addresses() const {
  std::vector<PortAddress> out = addresses_;
  for (const auto& [connection, addresses] : assigned_)
    out.insert(out.end(), addresses.begin(), addresses.end());
  return out;
}

void Network::watch_neighbours() {
  if (auto done = mirror_->watch_closely(); !done) log_.warning(Category::kNetwork, done.error().what);
}

void Network::confirm_neighbours() {
  if (auto asked = mirror_->confirm(datapath_.used_neighbours()); !asked)
    log_.debug(Category::kNetwork, asked.error().what);
}

MissingNetwork missing(const std::vector<PortAddress>& addresses, const std::vector<dp::Route>& routes,
                       const dp::NetworkSpec& kernel) {
  MissingNetwork out;
  for (const PortAddress& a : addresses)
    if (std::ranges::find(kernel.addresses, dp::LocalAddress{a.address, a.port}) == kernel.addresses.end())
      out.addresses.push_back(a);
  for (const dp::Route& route : routes) {
    const auto same = [&](const dp::Route& r) {
      return r.kind == route.kind && r.prefix == route.prefix && r.gateway == route.gateway &&
             r.port == route.port;
    };
    if (std::ranges::none_of(kernel.routes, same)) out.routes.push_back(route);
  }
  return out;
}

// Addresses first: a route may need one. What cannot be put back yet, since its TAP is down or gone, is told
// once and tried again.
void Network::put_back(ike::Now now) {
  if (held_.deadline() && now >= *held_.deadline() && !mirror_->stale()) publish();
  if (!compare_ || now < next_try_) return;
  follow_kernel_entries();
  const MissingNetwork gone = missing(all_addresses(), routes_, mirror_->network());
  compare_ = !gone.addresses.empty() || !gone.routes.empty();
  if (!compare_) return told_.clear();
  next_try_ = now + std::chrono::seconds(1);
  for (const PortAddress& a : gone.addresses)
    tell(mirror_->restore_address(a.port, a.address, a.length),
         "address " + a.address.text() + "/" + std::to_string(a.length) + " of " + name_of(a.port));
  for (const dp::Route& route : gone.routes)
    tell(mirror_->restore_route(route), "route to " + route.prefix.text());
}

void Network::tell(const Result<bool>& put, const std::string& what) {
  if (put && *put) {
    told_.erase(what);
    log_.warning(Category::kNetwork, what + " was removed from the kernel by another program; put back");
  } else if (!put && told_.insert(what).second) {
    log_.warning(Category::kNetwork,
                 what + " was removed from the kernel and cannot be put back yet: " + put.error().what);
  }
}

void Network::set_kernel_entries(std::vector<PolicySpec> entries) {
  kernel_entries_ = std::move(entries);
  follow_kernel_entries();
}

// The ways themselves are no way to a peer.
void Network::follow_kernel_entries() {
  if (kernel_entries_.empty() && ways_.empty()) return;
  std::vector<dp::Route> routes = mirror_->network().routes;
  std::erase_if(routes, [&](const dp::Route& r) {
    return std::ranges::any_of(
        ways_, [&](const dp::Route& way) { return way.prefix == r.prefix && way.metric == r.metric; });
  });
  const std::vector<dp::Route> before = std::exchange(ways_, ways_of_protected(kernel_entries_, routes));
  const auto tell = [&](const Result<void>& done) {
    if (!done) log_.warning(Category::kNetwork, done.error().what);
  };
  for (const dp::Route& way : before)
    if (std::ranges::find(ways_, way) == ways_.end()) tell(mirror_->remove_route(way));
  for (const dp::Route& way : ways_)
    if (auto there = mirror_->restore_route(way); !there) tell(std::unexpected(there.error()));
}

void Network::event(const dp::Event& event) {
  if (const auto* wanted = std::get_if<dp::NeighbourWanted>(&event)) {
    if (auto asked = mirror_->resolve(wanted->port, wanted->address); !asked)
      log_.debug(Category::kNetwork, asked.error().what);
  } else if (const auto* changed = std::get_if<dp::PortChanged>(&event)) {
    log_.warning(Category::kNetwork, name_of(changed->port) + " " + changed->what);
  }
}

}  // namespace simplon::ctrl

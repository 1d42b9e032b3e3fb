// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/routes.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "dp/packet/dpdk.h"

namespace simplon::dp {
namespace {

// RIBs are named for DPDK's sake only; the names must differ while two of them live.
std::string unique_name(const char* family) {
  static unsigned serial = 0;
  return std::string("rib") + family + "-" + std::to_string(serial++);
}

// kNone: a route of this kind leads somewhere.
Drop refusal(RouteKind kind) {
  switch (kind) {
    case RouteKind::kForward:
      return Drop::kNone;
    case RouteKind::kBlackhole:
      return Drop::kRouteBlackhole;
    case RouteKind::kUnreachable:
      return Drop::kRouteUnreachable;
    case RouteKind::kProhibit:
      return Drop::kRouteProhibit;
    case RouteKind::kThrow:
      return Drop::kNoRoute;
  }
  std::unreachable();
}

// What goes into a tunnel interface is measured by its SA.
const PortFacts kTunnelFacts{.mac = {}, .side = Side::kProtected, .mtu = 0xffff};

std::uint16_t least_mtu(Family family) { return family == Family::kV4 ? kLeastIpv4Mtu : kLeastIpv6Mtu; }

// One round of MurmurHash3, and its end.
constexpr std::uint32_t mix(std::uint32_t hash, std::uint32_t word) {
  word *= 0xcc9e2d51;
  hash ^= std::rotl(word, 15) * 0x1b873593;
  return std::rotl(hash, 13) * 5 + 0xe6546b64;
}
constexpr std::uint32_t finished(std::uint32_t hash) {
  hash = (hash ^ hash >> 16) * 0x85ebca6b;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35;
  return hash ^ hash >> 16;
}

}  // namespace

std::uint32_t path_hash(const Flow& flow) {
  std::uint32_t hash = mix(flow.protocol, std::uint32_t{flow.sport} << 16 | flow.dport);
  for (const IpAddress* a : {&flow.source, &flow.destination}) {
    const Bytes bytes = a->bytes();
    for (std::size_t at = 0; at < bytes.size(); at += 4) hash = mix(hash, load_be32(bytes.data() + at));
  }
  return finished(hash);
}

std::uint32_t path_hash(Be32 spi) { return finished(mix(0, spi.host())); }

Result<std::unique_ptr<const Routes>> Routes::build(const NetworkSpec& network,
                                                    const std::vector<PortFacts>& ports) {
  std::unique_ptr<Routes> routes(new Routes(ports));
  if (auto done = routes->fill(network); !done) return std::unexpected(done.error());
  return std::unique_ptr<const Routes>(std::move(routes));
}

Routes::~Routes() {
  if (rib4_) rte_rib_free(rib4_);
  if (rib6_) rte_rib6_free(rib6_);
}

Result<void> Routes::fill(const NetworkSpec& network) {
  const int nodes = static_cast<int>(2 * (network.routes.size() + network.neighbours.size()) + 16);
  rte_rib_conf conf4{.ext_sz = 0, .max_nodes = nodes};
  rte_rib6_conf conf6{.ext_sz = 0, .max_nodes = nodes};
  rib4_ = rte_rib_create(unique_name("4").c_str(), 0, &conf4);
  rib6_ = rte_rib6_create(unique_name("6").c_str(), 0, &conf6);
  if (!rib4_ || !rib6_) return fail("no memory for " + std::to_string(network.routes.size()) + " routes");
  fill_addresses(network.addresses);
  broadcasts_ = network.broadcasts;
  std::ranges::sort(broadcasts_);
  tunnels_ = network.tunnels;
  std::ranges::sort(tunnels_);
  if (auto done = fill_routes(network); !done) return done;
  return fill_neighbours(network.neighbours);
}

void Routes::fill_addresses(const std::vector<LocalAddress>& addresses) {
  for (const LocalAddress& a : addresses) {
    if (a.address.is_link_local()) continue;
    const std::size_t family = a.address.is_v4() ? 0 : 1;
    auto& first = a.port ? ports_addresses_[*a.port][family] : router_ids_[family];
    if (!first) first = a.address;
  }
  locals_ = addresses;
  std::ranges::sort(locals_, {}, [](const LocalAddress& l) { return std::pair(l.address, !l.port); });
}

Result<void> Routes::fill_routes(const NetworkSpec& network) {
  std::map<Prefix, std::vector<const Route*>> best;  // those of the lowest metric
  for (const Route& route : network.routes) {
    auto& have = best[route.prefix];
    if (!have.empty() && route.metric < have[0]->metric) have.clear();
    if (have.empty() || route.metric == have[0]->metric) have.push_back(&route);
  }
  Gateways known;
  for (const Neighbour& n : network.neighbours) known.try_emplace({n.port, n.address}, n.mac);
  Made made;
  for (const auto& [prefix, routes] : best)
    if (!insert(prefix, add_paths(routes, known, made)))
      return fail("no room for the route to " + prefix.text());
  return {};
}

Result<void> Routes::fill_neighbours(const std::vector<Neighbour>& neighbours) {
  for (const Neighbour& n : neighbours) {
    const NextHop* link = n.address.is_link_local() ? nullptr : on_link(n.address, n.port);
    if (link == nullptr) continue;
    const std::uint32_t hop = add_next_hop(n.port, n.address, n.address.family(), link->mtu, &n.mac);
    routes_.push_back(add_neighbour(n, hop));
    if (!insert(Prefix::host(n.address), static_cast<std::uint32_t>(routes_.size() - 1)))
      return fail("no room for the neighbour " + n.address.text());
  }
  return {};
}

// Its host route has one way, but where its prefix has another one into a tunnel interface: that one stays,
// since it is what keeps the destination from being reached in clear.
Routes::Range Routes::add_neighbour(const Neighbour& neighbour, std::uint32_t hop) {
  std::vector<Path> ways{{.to = {hop, Drop::kNone}}};
  if (tunnel_to(neighbour.address)) {
    const Paths all = paths_of(neighbour.address);
    ways.assign(all.begin(), all.end());
    for (Path& way : ways)
      if (on_link(way, neighbour.port) != nullptr) way.to.index = hop;
  }
  const auto first = static_cast<std::uint32_t>(paths_.size());
  paths_.insert(paths_.end(), ways.begin(), ways.end());
  return {first, static_cast<std::uint32_t>(ways.size())};
}

const NextHop* Routes::on_link(const Path& path, PortIndex port) const {
  if (!path.to) return nullptr;
  const NextHop& hop = next_hops_[path.to.index];
  return hop.port == port && hop.address.is_unspecified() ? &hop : nullptr;
}

// Do the routes say that it is on this port's link? Anybody on a link can make the kernel note any address as
// a neighbour there; that must not draw another port's traffic.
const NextHop* Routes::on_link(const IpAddress& address, PortIndex port) const {
  for (const Path& path : paths_of(address))
    if (const NextHop* hop = on_link(path, port)) return hop;
  return nullptr;
}

// Where one route of a prefix refuses, the prefix does: the first that does is the kernel's answer too.
std::uint32_t Routes::add_paths(std::span<const Route* const> routes, const Gateways& known, Made& made) {
  Range range{.first = static_cast<std::uint32_t>(paths_.size()), .count = 0};
  const auto refuses =
      std::ranges::find_if(routes, [](const Route* r) { return refusal(r->kind) != Drop::kNone; });
  if (refuses != routes.end()) {
    paths_.push_back({.to = {0, refusal((*refuses)->kind)}});
    range.count = 1;
  } else {
    std::uint64_t all = 0, until = 0;
    for (const Route* route : routes) all += route->weight;
    for (const Route* route : routes) {  // RFC 2992's hash-threshold: a share of all hashes each
      until += route->weight;
      paths_.push_back({.most = static_cast<std::uint32_t>((until << 32) / all - 1),
                        .to = {next_hop_for(known, *route, made), Drop::kNone}});
      ++range.count;
    }
  }
  routes_.push_back(range);
  return static_cast<std::uint32_t>(routes_.size() - 1);
}

std::uint32_t Routes::next_hop_for(const Gateways& known, const Route& route, Made& made) {
  const Family family = route.prefix.address.family();
  const IpAddress address = route.gateway.value_or(IpAddress::any(family));
  std::uint16_t mtu = facts_of(route.port).mtu;
  if (route.mtu != 0) mtu = std::min(mtu, std::max(route.mtu, least_mtu(family)));
  has_mtus_ = has_mtus_ || route.mtu != 0;
  const auto [hop, fresh] = made.try_emplace({route.port, address, family, mtu});
  if (!fresh) return hop->second;
  const auto found = route.gateway ? known.find({route.port, *route.gateway}) : known.end();
  return hop->second =
             add_next_hop(route.port, address, family, mtu, found == known.end() ? nullptr : &found->second);
}

std::uint32_t Routes::add_next_hop(PortIndex port, const IpAddress& address, Family family, std::uint16_t mtu,
                                   const Mac* mac) {
  const PortFacts& facts = facts_of(port);
  NextHop hop{.port = port, .resolved = mac != nullptr, .side = facts.side, .mtu = mtu, .address = address};
  if (mac) std::ranges::copy(*mac, hop.ethernet.begin());
  std::ranges::copy(facts.mac, hop.ethernet.begin() + 6);
  store_be16(hop.ethernet.data() + 12, family == Family::kV4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  next_hops_.push_back(hop);
  return static_cast<std::uint32_t>(next_hops_.size() - 1);
}

bool Routes::insert(const Prefix& prefix, std::uint32_t route) {
  if (prefix.address.is_v4()) {
    const std::uint32_t address = prefix.address.v4_host();
    rte_rib_node* node = rte_rib_lookup_exact(rib4_, address, prefix.length);
    if (node == nullptr) node = rte_rib_insert(rib4_, address, prefix.length);
    return node != nullptr && rte_rib_set_nh(node, route) == 0;
  }
  const RibAddress address(prefix.address.bytes().data());
  rte_rib6_node* node = rte_rib6_lookup_exact(rib6_, address, prefix.length);
  if (node == nullptr) node = rte_rib6_insert(rib6_, address, prefix.length);
  return node != nullptr && rte_rib6_set_nh(node, route) == 0;
}

Routes::Paths Routes::paths_of(const IpAddress& destination) const {
  std::uint64_t route = routes_.size();
  if (destination.is_v4()) {
    if (const rte_rib_node* node = rte_rib_lookup(rib4_, destination.v4_host())) rte_rib_get_nh(node, &route);
  } else {
    if (const rte_rib6_node* node = rte_rib6_lookup(rib6_, RibAddress(destination.bytes().data())))
      rte_rib6_get_nh(node, &route);
  }
  if (route >= routes_.size()) return {};
  return Paths(paths_).subspan(routes_[route].first, routes_[route].count);
}

RouteTo Routes::find(const IpAddress& destination, std::uint32_t path) const {
  for (const Path& p : paths_of(destination))
    if (path <= p.most) return p.to;
  return {};
}

RouteTo Routes::find_outer(const IpAddress& destination, std::uint32_t path) const {
  const RouteTo to = find(destination, path);
  return to && is_tunnel(next_hop(to.index).port) ? RouteTo{0, Drop::kTunnelLoop} : to;
}

std::optional<PortIndex> Routes::tunnel_to(const IpAddress& destination) const {
  std::optional<PortIndex> found;
  for (const Path& path : paths_of(destination)) {
    const PortIndex port = path.to ? next_hop(path.to.index).port : PortIndex{};
    if (path.to && is_tunnel(port) && (!found || is_up(port))) found = port;
  }
  return found;
}

bool Routes::is_up(PortIndex tunnel) const { return std::ranges::binary_search(tunnels_, tunnel); }

const PortFacts& Routes::facts_of(PortIndex port) const {
  return is_tunnel(port) ? kTunnelFacts : ports_[static_cast<std::size_t>(port)];
}

bool Routes::is_broadcast(const IpAddress& address) const {
  return std::ranges::binary_search(broadcasts_, address);
}

const LocalAddress* Routes::local(const IpAddress& address) const {
  const auto found = std::ranges::lower_bound(locals_, address, {}, &LocalAddress::address);
  return found == locals_.end() || found->address != address ? nullptr : &*found;
}

}  // namespace simplon::dp

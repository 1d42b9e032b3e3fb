// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/routes.h"

#include <algorithm>
#include <map>

#include "dp/packet/dpdk.h"

namespace simplon::dp {
namespace {

// RIBs are named for DPDK's sake only; the names must differ while two of them live.
std::string unique_name(const char* family) {
  static unsigned serial = 0;
  return std::string("rib") + family + "-" + std::to_string(serial++);
}

}  // namespace

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
  for (const LocalAddress& a : network.addresses) {
    if (!a.port || a.address.is_link_local()) continue;
    auto& first = ports_addresses_[static_cast<std::size_t>(*a.port)][a.address.is_v4() ? 0 : 1];
    if (!first) first = a.address;
  }
  locals_ = network.addresses;
  std::ranges::sort(locals_, {}, [](const LocalAddress& l) { return std::pair(l.address, !l.port); });

  // The better route of two with one prefix wins.
  std::map<Prefix, const Route*> best;
  for (const Route& route : network.routes) {
    const Route*& have = best[route.prefix];
    if (have == nullptr || route.metric < have->metric) have = &route;
  }
  Gateways known;
  for (const Neighbour& n : network.neighbours) known.try_emplace({n.port, n.address}, n.mac);
  Made made;
  for (const auto& [prefix, route] : best)
    if (!insert(prefix, next_hop_for(known, *route, made)))
      return fail("no room for the route to " + prefix.text());
  for (const Neighbour& n : network.neighbours)
    if (!n.address.is_link_local() && on_link(n.address, n.port) &&
        !insert(Prefix::host(n.address), add_next_hop(n.port, n.address, n.address.family(), &n.mac)))
      return fail("no room for the neighbour " + n.address.text());
  return {};
}

// Do the routes say that it is on this port's link? Anybody on a link can make the kernel note any address as
// a neighbour there; that must not draw another port's traffic.
bool Routes::on_link(const IpAddress& address, PortIndex port) const {
  const std::uint32_t index = find(address);
  return index != kNoNextHop && next_hops_[index].port == port && next_hops_[index].address.is_unspecified();
}

std::uint32_t Routes::next_hop_for(const Gateways& known, const Route& route, Made& made) {
  const Family family = route.prefix.address.family();
  const IpAddress address = route.gateway.value_or(IpAddress::any(family));
  const auto [hop, fresh] = made.try_emplace({route.port, address, family});
  if (!fresh) return hop->second;
  const auto found = route.gateway ? known.find({route.port, *route.gateway}) : known.end();
  return hop->second =
             add_next_hop(route.port, address, family, found == known.end() ? nullptr : &found->second);
}

std::uint32_t Routes::add_next_hop(PortIndex port, const IpAddress& address, Family family, const Mac* mac) {
  const PortFacts& facts = ports_[static_cast<std::size_t>(port)];
  NextHop hop{
      .port = port, .resolved = mac != nullptr, .side = facts.side, .mtu = facts.mtu, .address = address};
  if (mac) std::ranges::copy(*mac, hop.ethernet.begin());
  std::ranges::copy(facts.mac, hop.ethernet.begin() + 6);
  store_be16(hop.ethernet.data() + 12, family == Family::kV4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  next_hops_.push_back(hop);
  return static_cast<std::uint32_t>(next_hops_.size() - 1);
}

bool Routes::insert(const Prefix& prefix, std::uint32_t index) {
  if (prefix.address.is_v4()) {
    const std::uint32_t address = prefix.address.v4_host();
    rte_rib_node* node = rte_rib_lookup_exact(rib4_, address, prefix.length);
    if (node == nullptr) node = rte_rib_insert(rib4_, address, prefix.length);
    return node != nullptr && rte_rib_set_nh(node, index) == 0;
  }
  const RibAddress address(prefix.address.bytes().data());
  rte_rib6_node* node = rte_rib6_lookup_exact(rib6_, address, prefix.length);
  if (node == nullptr) node = rte_rib6_insert(rib6_, address, prefix.length);
  return node != nullptr && rte_rib6_set_nh(node, index) == 0;
}

std::uint32_t Routes::find(const IpAddress& destination) const {
  std::uint64_t index = kNoNextHop;
  if (destination.is_v4()) {
    if (const rte_rib_node* node = rte_rib_lookup(rib4_, destination.v4_host())) rte_rib_get_nh(node, &index);
  } else {
    if (const rte_rib6_node* node = rte_rib6_lookup(rib6_, RibAddress(destination.bytes().data())))
      rte_rib6_get_nh(node, &index);
  }
  return static_cast<std::uint32_t>(index);
}

const LocalAddress* Routes::local(const IpAddress& address) const {
  const auto found = std::ranges::lower_bound(locals_, address, {}, &LocalAddress::address);
  return found == locals_.end() || found->address != address ? nullptr : &*found;
}

}  // namespace simplon::dp

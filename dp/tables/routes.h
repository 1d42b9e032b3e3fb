// SPDX-License-Identifier: Apache-2.0
// Routes, next hops and the gateway's own addresses as the workers read them: immutable, made from a
// NetworkSpec.
//
// Longest prefix match is DPDK's RIB, a tree that is cheap to build; what keeps it off the hot path is that a
// flow's decision (dp/tables/flow_cache.h) and an outbound SA remember the next hop. Made and destroyed by
// the control thread.
#pragma once

#include <rte_rib.h>
#include <rte_rib6.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "dp/base/counter.h"
#include "dp/base/network_spec.h"
#include "dp/base/result.h"
#include "dp/packet/drop.h"
#include "dp/packet/flow.h"

namespace simplon::dp {

// What Routes has to know of a port.
struct PortFacts {
  Mac mac{};
  Side side{};
  std::uint16_t mtu = 1500;
  std::string spd{};  // the SPD that decides about its packets; empty: the common one
};

struct NextHop {
  std::array<std::uint8_t, 14> ethernet{};  // destination, source, EtherType of the outer packet
  PortIndex port{};
  bool resolved = false;  // false: the kernel is to be asked for `address`
  Side side{};
  std::uint16_t mtu = 0;
  IpAddress address;     // the gateway, or the destination itself on a link
  mutable UseMark used;  // a packet was sent to it
};

// Where a packet goes: the index of a next hop, or why it goes nowhere.
struct RouteTo {
  std::uint32_t index = 0;       // kNone
  Drop reason = Drop::kNoRoute;  // kNone: there is a next hop

  explicit operator bool() const { return reason == Drop::kNone; }
  // There is a route, but the packet is to be dropped.
  bool refuses() const { return reason != Drop::kNone && reason != Drop::kNoRoute; }
  friend bool operator==(const RouteTo&, const RouteTo&) = default;
};

// Which of several next hops a flow takes: the same each time, so that its packets stay in order (RFC 2992).
std::uint32_t path_hash(const Flow& flow);
std::uint32_t path_hash(Be32 spi);  // of an SA's ESP

class Routes {
 public:
  static Result<std::unique_ptr<const Routes>> build(const NetworkSpec& network,
                                                     const std::vector<PortFacts>& ports);
  Routes(const Routes&) = delete;
  Routes& operator=(const Routes&) = delete;
  ~Routes();

  // A destination on a link whose neighbour is known on that link has a host route of its own; one that is
  // not known yet gives the link's unresolved next hop. `path`: see path_hash().
  RouteTo find(const IpAddress& destination, std::uint32_t path) const;
  // The same for ESP, which a tunnel interface would wrap again: a route that leads into one is none.
  RouteTo find_outer(const IpAddress& destination, std::uint32_t path) const;
  // A tunnel interface that one of the next hops of the destination's prefix leads into, whichever a flow
  // takes; of several one that is up.
  std::optional<PortIndex> tunnel_to(const IpAddress& destination) const;
  // The tunnel interface is there and set up.
  bool is_up(PortIndex tunnel) const;
  const NextHop& next_hop(std::uint32_t index) const { return next_hops_[index]; }
  // All of them: routes that lead to the same neighbour have one together, so there are about as many as
  // neighbours.
  const std::vector<NextHop>& next_hops() const { return next_hops_; }
  // A route has an MTU of its own.
  bool has_mtus() const { return has_mtus_; }
  // This address of the host's own, on whatever interface; null when it is none.
  const LocalAddress* local(const IpAddress& address) const;
  // The broadcast address of a network of the host's.
  bool is_broadcast(const IpAddress& address) const;
  // One of the host's addresses that is no port's, the first that the kernel names (lo's come first): for
  // ports that have none (RFC 1812 §5.2.5). Null: there is none of the family.
  const IpAddress* router_id(Family family) const {
    const auto& found = router_ids_[family == Family::kV4 ? 0 : 1];
    return found ? &*found : nullptr;
  }
  // An address of the port that anybody can answer to, the first that the kernel names; null: it has none of
  // the family.
  const IpAddress* address_of(PortIndex port, Family family) const {
    const auto of_port = ports_addresses_.find(port);
    if (of_port == ports_addresses_.end()) return nullptr;
    const auto& found = of_port->second[family == Family::kV4 ? 0 : 1];
    return found ? &*found : nullptr;
  }
  // Behind the last port that is no tunnel interface.
  PortIndex end() const { return PortIndex{static_cast<std::uint16_t>(ports_.size())}; }
  // Of ports that are no tunnel interfaces.
  Side side(PortIndex port) const { return ports_[static_cast<std::size_t>(port)].side; }
  Mac mac(PortIndex port) const { return ports_[static_cast<std::size_t>(port)].mac; }

 private:
  // One of the ways of a route. A route has those of one entry of routes_: its flows go by the first whose
  // `most` is not below their hash.
  struct Path {
    std::uint32_t most = ~std::uint32_t{0};
    RouteTo to;
  };
  using Paths = std::span<const Path>;
  struct Range {  // of paths_
    std::uint32_t first = 0, count = 0;
  };
  using Gateways = std::map<std::pair<PortIndex, IpAddress>, Mac>;  // neighbours, by port and address
  // The next hops, by what they are made of.
  using Made = std::map<std::tuple<PortIndex, IpAddress, Family, std::uint16_t>, std::uint32_t>;

  explicit Routes(std::vector<PortFacts> ports) : ports_(std::move(ports)) {}
  Result<void> fill(const NetworkSpec& network);
  void fill_addresses(const std::vector<LocalAddress>& addresses);
  Result<void> fill_routes(const NetworkSpec& network);
  Result<void> fill_neighbours(const std::vector<Neighbour>& neighbours);
  Paths paths_of(const IpAddress& destination) const;
  std::uint32_t add_paths(std::span<const Route* const> routes, const Gateways& known, Made& made);
  std::uint32_t next_hop_for(const Gateways& known, const Route& route, Made& made);
  std::uint32_t add_next_hop(PortIndex port, const IpAddress& address, Family family, std::uint16_t mtu,
                             const Mac* mac);
  const NextHop* on_link(const Path& path, PortIndex port) const;
  const NextHop* on_link(const IpAddress& address, PortIndex port) const;
  Range add_neighbour(const Neighbour& neighbour, std::uint32_t hop);
  const PortFacts& facts_of(PortIndex port) const;
  bool insert(const Prefix& prefix, std::uint32_t route);  // in the place of what stood there

  std::vector<PortFacts> ports_;
  std::map<PortIndex, std::array<std::optional<IpAddress>, 2>> ports_addresses_;  // IPv4, IPv6
  std::array<std::optional<IpAddress>, 2> router_ids_;                            // IPv4, IPv6
  std::vector<NextHop> next_hops_;
  std::vector<Path> paths_;
  std::vector<Range> routes_;  // what the RIBs name
  bool has_mtus_ = false;
  std::vector<LocalAddress> locals_;   // sorted; of one address, those of a port first
  std::vector<IpAddress> broadcasts_;  // sorted
  std::vector<PortIndex> tunnels_;     // those that are up, sorted
  rte_rib* rib4_ = nullptr;
  rte_rib6* rib6_ = nullptr;
};

}  // namespace simplon::dp

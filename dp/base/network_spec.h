// SPDX-License-Identifier: Apache-2.0
// What the kernel knows of the network, as plain values: the control thread copies it from rtnetlink into the
// data path.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/sa_spec.h"

namespace simplon::dp {

enum class PortIndex : std::uint16_t {};  // position in Setup::ports, or a tunnel interface

// Tunnel interfaces come and go while the data path runs; their indices follow from their ids.
inline constexpr std::uint16_t kFirstTunnel = 0x4000;
inline constexpr std::uint16_t kMostTunnels = 0x4000;
constexpr bool is_tunnel(PortIndex port) { return static_cast<std::uint16_t>(port) >= kFirstTunnel; }
constexpr PortIndex port_of(InterfaceId id) {
  return PortIndex{static_cast<std::uint16_t>(kFirstTunnel + static_cast<std::uint16_t>(id))};
}
constexpr InterfaceId interface_of(PortIndex tunnel) {
  return InterfaceId{static_cast<std::uint16_t>(static_cast<std::uint16_t>(tunnel) - kFirstTunnel)};
}
using Mac = std::array<std::uint8_t, 6>;

// RFC 4301 §4.4.1: the IPsec boundary lies between the protected and the unprotected interfaces.
enum class Side : std::uint8_t { kProtected, kUnprotected };

// What senders are told of packets that are not forwarded.
struct IcmpOptions {
  unsigned rate = 1000;     // errors of one kind that a worker sends in a second; 0: none
  bool prohibited = false;  // also of what the policies discard (RFC 4301 §5.1)
  friend bool operator==(const IcmpOptions&, const IcmpOptions&) = default;
};

struct LocalAddress {
  IpAddress address;
  std::optional<PortIndex> port;  // none: on another interface of the host (lo, a dummy, management)
  friend bool operator==(const LocalAddress&, const LocalAddress&) = default;
};

// What a route says of its destinations.
enum class RouteKind : std::uint8_t {
  kForward,      // `ip route add …`: they are reached by the port
  kBlackhole,    // … blackhole: dropped without a word
  kUnreachable,  // … unreachable: dropped, the sender is told that they cannot be reached
  kProhibit,     // … prohibit: dropped, the sender is told that it may not
  kThrow,        // … throw: as if there were no route
};

// Of several of one prefix those of the lowest metric count, and share the flows by their weights.
struct Route {
  Prefix prefix;
  std::optional<IpAddress> gateway;  // none: the destination is on the link
  PortIndex port{};                  // kForward
  std::uint32_t metric = 0;          // lower wins
  RouteKind kind = RouteKind::kForward;
  std::uint32_t weight = 1;  // at least 1
  std::uint16_t mtu = 0;     // the route's own; 0: the port's
  friend bool operator==(const Route&, const Route&) = default;
};

// Which neighbour: an address means something on its link only.
struct NeighbourKey {
  PortIndex port{};
  IpAddress address;
  friend auto operator<=>(const NeighbourKey&, const NeighbourKey&) = default;
};

struct Neighbour {
  IpAddress address;
  PortIndex port{};
  Mac mac{};
  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

struct NetworkSpec {
  std::vector<LocalAddress> addresses;
  std::vector<Route> routes;
  std::vector<Neighbour> neighbours;
  std::vector<IpAddress> broadcasts;  // those of the host's own networks (RFC 1812 §4.2.3.1)
  std::vector<PortIndex> tunnels;     // the tunnel interfaces that are there and set up (IFF_UP), sorted
  friend bool operator==(const NetworkSpec&, const NetworkSpec&) = default;
};

}  // namespace simplon::dp

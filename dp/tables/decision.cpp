// SPDX-License-Identifier: Apache-2.0
// What is done with a clear packet (RFC 4301 §5.1 and §5.2), the one place where the policies are asked.
#include "dp/packet/martian.h"
#include "dp/tables/hits.h"
#include "dp/tables/tables.h"

namespace simplon::dp {
namespace {

Decision drop(Drop reason) { return Decision::drop(reason); }
Decision punt(PortIndex port) { return Decision::punt(port); }
Decision forward(std::uint32_t next_hop) { return Decision::forward(next_hop); }
Decision send(PortIndex port) { return Decision::send(port); }
Decision protect(const Spd::Entry& entry) {
  if (entry.classes == 0) return Decision::protect(entry.slot);
  return {.kind = Decision::Kind::kProtectByClass, .hit = entry.classes - 1, .index = entry.slot};
}

// What counts a packet that this entry decides about; null: none does.
std::uint32_t hit(const Spd::Entry* entry, Direction direction) {
  return entry == nullptr ? default_hit(direction) : hit_of(entry->slot, direction);
}

bool is_ike_port(std::uint16_t port) { return Port{port} == kIkePort || Port{port} == kNatTraversalPort; }

// Multicast and broadcast that stay on one link: routing protocols, VRRP, MLD, DHCP (RFC 5771 §4, RFC 4291
// §2.7, RFC 919 §7). They never cross the boundary.
bool is_link_multicast(const IpAddress& a) {
  if (a.is_v4()) return a.v4_host() >> 8 == 0xe00000 || a.v4_host() == kBroadcast;
  return a.bytes()[0] == 0xff && (a.bytes()[1] & 0x0f) <= 2;
}

// Neighbour discovery works on one link and never crosses the boundary (RFC 4861). The same messages to
// somebody elsewhere are ICMPv6 like any other.
bool is_neighbour_discovery(const Flow& flow) {
  return flow.protocol == kIcmpv6 && !flow.destination.is_v4() &&
         (flow.sport >> 8) >= kFirstNeighbourDiscovery && (flow.sport >> 8) <= kLastNeighbourDiscovery;
}
bool discovers_us(const Tables& tables, const Flow& flow) {
  return is_neighbour_discovery(flow) &&
         (is_link_multicast(flow.destination) || flow.destination.is_link_local() ||
          tables.routes->local(flow.destination));
}
bool we_discover(const Tables& tables, const Flow& flow) {
  return is_neighbour_discovery(flow) &&
         (flow.source.is_unspecified() || flow.source.is_link_local() || tables.routes->local(flow.source));
}

// Why a fragment that this entry is found for does not go by it; kNone: it does.
Drop why_not_fragment(const Spd::Entry& entry, const Flow& flow) {
  if (flow.fragment && entry.fragments == FragmentHandling::kDrop) return Drop::kFragmentRefused;
  return entry.undecided(flow) ? Drop::kFragment : Drop::kNone;
}

// A fragment that is UDP, or may be: whether it is IKE its ports would tell.
bool may_be_ike(const Flow& flow) {
  return flow.fragment && (flow.protocol == kUdp || is_protocol_unknown(flow));
}

// Before it has an address, a host sends from none, on its link alone: DHCP (RFC 2131 §4.1), duplicate
// address detection (RFC 4862 §5.4.2), MLD (RFC 3590).
bool has_no_address_yet(const Flow& flow) {
  return flow.origin != Origin::kDecrypted && flow.source.is_unspecified() &&
         is_link_multicast(flow.destination);
}

// What a packet off a wire or out of an SA must not say of itself, whatever the policies say (RFC 1812
// §5.3.7, RFC 4291 §2.5, RFC 2644); kNone: it may pass. As all of decide() it is paid for once a flow.
Drop martian(const Tables& tables, const Flow& flow) {
  const Routes& routes = *tables.routes;
  const bool source_is_host = is_one_host(flow.source) && !routes.is_broadcast(flow.source);
  if (!source_is_host && !has_no_address_yet(flow)) return Drop::kMartianSource;
  // A link-local address is somebody else's on another link. And who has an address that ours tries out says
  // so in the name of that address (RFC 4862 §5.4).
  const bool tells_of_itself = flow.origin != Origin::kDecrypted && discovers_us(tables, flow);
  if (flow.origin != Origin::kGateway && !flow.source.is_link_local() && !tells_of_itself &&
      routes.local(flow.source))
    return Drop::kOwnSource;
  if (!may_be_destination(flow.destination) || routes.is_broadcast(flow.destination))
    return Drop::kMartianDestination;
  // IPv6's link-local addresses are of a link, and no link leads through a tunnel that has no interface.
  // IPv4's are used as the ends of one by clouds.
  if (flow.origin != Origin::kDecrypted || flow.source.is_v4() || is_tunnel(flow.port)) return Drop::kNone;
  if (flow.source.is_link_local()) return Drop::kMartianSource;
  return flow.destination.is_link_local() ? Drop::kMartianDestination : Drop::kNone;
}

// RFC 4301 §5.1: the forwarding function selects the SPD. Null: it has no entries.
const Spd* outbound_spd(const Tables& tables, const Flow& flow) {
  const RouteTo to = tables.routes->find(flow.destination, path_hash(flow));
  const bool tunnel = to && is_tunnel(tables.routes->next_hop(to.index).port);
  return tunnel ? tables.tunnel_spd(tables.routes->next_hop(to.index).port) : &tables.spd_of(flow.port);
}

// RFC 4291 §2.5.6, RFC 3927 §7: no router forwards these.
Drop link_local(const Flow& flow) {
  if (flow.source.is_link_local()) return Drop::kMartianSource;
  return flow.destination.is_link_local() ? Drop::kMartianDestination : Drop::kNone;
}

// RFC 2131 §4.1: to the address that is offered, while the port has none. What a policy protects is no offer.
bool is_dhcp_offer(const Tables& tables, const Flow& flow) {
  if (flow.origin == Origin::kDecrypted || flow.protocol != kUdp || flow.fragment ||
      !flow.destination.is_v4() || Port{flow.sport} != kDhcpServerPort ||
      Port{flow.dport} != kDhcpClientPort || tables.routes->address_of(flow.port, Family::kV4) != nullptr)
    return false;
  const bool out = flow.origin == Origin::kProtected;
  const Spd::Entry* entry = tables.spd_of(flow.port).find(out ? Direction::kOut : Direction::kIn, flow);
  return entry == nullptr || entry->action != Action::kProtect;
}

// To an entry whose SA is in the kernel. What the kernel itself sends it has protected already; in clear
// comes what left it before it had the SA, and an SA of ours that is still there takes that.
Decision protect_by_kernel(const Tables& tables, const Flow& flow, const Spd::Entry& entry) {
  const std::uint32_t by = hit(&entry, Direction::kOut);
  if (flow.origin != Origin::kHostUnprotected) return punt(flow.port).counted(by);
  const bool has_sa = (*tables.outbound)[entry.slot].sa.read() != nullptr;
  return has_sa ? protect(entry) : drop(Drop::kClearNotAllowed).counted(by);
}

// Over the boundary outwards: the SPD's outbound side decides; `pass` is what BYPASS means here.
Decision outbound(const Tables& tables, const Flow& flow, const Decision& pass) {
  if (!tables.gateway_on && pass.kind != Decision::Kind::kSend) return drop(Drop::kGatewayOff);
  const Spd::Entry* entry = tables.spd_of(flow.port).find(Direction::kOut, flow);
  const std::uint32_t by = hit(entry, Direction::kOut);
  if (entry == nullptr) return drop(Drop::kNoPolicy).counted(by);
  if (const Drop bad = why_not_fragment(*entry, flow); bad != Drop::kNone) return drop(bad).counted(by);
  switch (entry->action) {
    case Action::kDiscard:
      return drop(Drop::kPolicyDiscard).counted(by);
    case Action::kBypass:
      return (entry->via_kernel && flow.origin == Origin::kProtected ? punt(flow.port) : pass).counted(by);
    case Action::kProtect:
      break;
  }
  if (!tables.gateway_on) return drop(Drop::kGatewayOff);
  return entry->via_kernel ? protect_by_kernel(tables, flow, *entry) : protect(*entry);
}

// Into a tunnel interface: its SPD has PROTECT entries alone, and no other SPD is asked.
Decision into_tunnel(const Tables& tables, const Flow& flow, PortIndex tunnel) {
  if (!tables.gateway_on) return drop(Drop::kGatewayOff);
  if (!tables.routes->is_up(tunnel)) return drop(Drop::kTunnelDown);
  const Spd* spd = tables.tunnel_spd(tunnel);
  const Spd::Entry* entry = spd == nullptr ? nullptr : spd->find(Direction::kOut, flow);
  if (entry == nullptr) return drop(Drop::kNoPolicy).counted(default_hit(Direction::kOut));
  if (const Drop bad = why_not_fragment(*entry, flow); bad != Drop::kNone)
    return drop(bad).counted(hit(entry, Direction::kOut));
  return protect(*entry);
}

// What a tunnel interface is a way of does not pass in clear, whatever the SPD says; also where its prefix
// has other ways, since a packet does not tell which one its answer takes.
Drop in_clear(const Tables& tables, const IpAddress& other_end) {
  const auto tunnel = tables.routes->tunnel_to(other_end);
  if (!tunnel) return Drop::kNone;
  return tables.routes->is_up(*tunnel) ? Drop::kClearNotAllowed : Drop::kTunnelDown;
}

// Over the boundary inwards, in clear: kNone means BYPASS.
struct Inbound {
  Drop reason;
  std::uint32_t hit;
};
Inbound inbound(const Tables& tables, const Flow& flow) {
  const Spd::Entry* entry = tables.spd_of(flow.port).find(Direction::kIn, flow);
  const std::uint32_t by = hit(entry, Direction::kIn);
  if (entry == nullptr) return {Drop::kNoPolicy, by};
  if (const Drop bad = why_not_fragment(*entry, flow); bad != Drop::kNone) return {bad, by};
  switch (entry->action) {
    case Action::kDiscard:
      return {Drop::kPolicyDiscard, by};
    case Action::kProtect:
      return {Drop::kClearNotAllowed, by};
    case Action::kBypass:
      break;
  }
  return {in_clear(tables, flow.source), by};
}

// The entry that gives such packets to the kernel to forward in clear; null: none does.
const Spd::Entry* entry_via_kernel(const Tables& tables, Direction direction, const Flow& flow) {
  const Spd::Entry* entry = tables.spd_of(flow.port).find(direction, flow);
  return entry != nullptr && entry->action == Action::kBypass && entry->via_kernel ? entry : nullptr;
}

// The entry by which the kernel may have forwarded such a packet; null: none lets it. Inwards that is also
// one with an SA in the kernel: in clear its packets do not get to the kernel by a port, and the kernel's own
// policies ask what comes from elsewhere for the SA (RFC 4301 §5.2).
const Spd::Entry* entry_of_forwarded(const Tables& tables, Direction direction, const Flow& flow) {
  const Spd::Entry* entry = tables.spd_of(flow.port).find(direction, flow);
  if (entry == nullptr) return nullptr;
  const bool by_sa = entry->action == Action::kProtect && entry->from_kernel && direction == Direction::kIn;
  return by_sa || (entry->action == Action::kBypass && entry->via_kernel) ? entry : nullptr;
}

// Multicast beyond a link passes where an entry names the group; one for all destinations does not.
bool is_named_group(const Tables& tables, const Flow& flow) {
  if (!is_multicast(flow.destination) || is_link_multicast(flow.destination)) return false;
  const bool out = flow.origin == Origin::kProtected;
  const Spd* spd = out                    ? outbound_spd(tables, flow)
                   : is_tunnel(flow.port) ? tables.tunnel_spd(flow.port)
                                          : &tables.spd_of(flow.port);
  const Spd::Entry* entry =
      spd == nullptr ? nullptr : spd->find(out ? Direction::kOut : Direction::kIn, flow);
  return entry != nullptr && entry->multicast;
}

Decision for_us(const Tables& tables, const Flow& flow, const LocalAddress& to) {
  if (flow.origin == Origin::kDecrypted)
    return punt(is_tunnel(flow.port) ? flow.port : to.port.value_or(flow.port));
  // To the TAP of the port that it came in at, whoever of our ports has the address: its MAC is in the frame,
  // and the kernel checks the source against the routes of the interface (rp_filter).
  const Decision host = punt(flow.port);
  if (flow.origin != Origin::kUnprotected) return host;
  if (flow.protocol == kUdp && is_ike_port(flow.dport))
    return host;  // RFC 7296 §2: IKE is never protected by ESP
  if (may_be_ike(flow)) return drop(Drop::kFragment);
  const Inbound in = inbound(tables, flow);
  return (in.reason == Drop::kNone ? host : drop(in.reason)).counted(in.hit);
}

// See has_no_address_yet(). From a link-local address nothing is forwarded (RFC 4291 §2.5.6).
bool is_hosts_own(const Tables& tables, const Flow& flow) {
  const bool stays_on_link = !flow.source.is_v4() && flow.source.is_link_local();
  return flow.source.is_unspecified() || stays_on_link || tables.routes->local(flow.source) != nullptr;
}

// What the kernel forwards has not passed the SPD, and its sender could pass for a protected host (RFC 4301
// §5.2). So only that comes back from it which the SPD would give to it, by the side that it leaves on.
Decision forwarded_by_kernel(const Tables& tables, const Flow& flow) {
  const bool inwards = flow.origin == Origin::kHostProtected;
  const Spd::Entry* entry = entry_of_forwarded(tables, inwards ? Direction::kIn : Direction::kOut, flow);
  if (entry == nullptr) return drop(Drop::kNotFromHost);
  if (const Drop bad = why_not_fragment(*entry, flow); bad != Drop::kNone) return drop(bad);
  if (const Drop reason = martian(tables, flow); reason != Drop::kNone) return drop(reason);
  const Drop in_tunnel = in_clear(tables, inwards ? flow.source : flow.destination);
  if (in_tunnel != Drop::kNone) return drop(in_tunnel);
  return tables.gateway_on ? send(flow.port) : drop(Drop::kGatewayOff);
}

// Out of a tunnel interface comes what the host sends itself. What the kernel forwards has not passed the
// checks of a port's (RFC 4301 §5.2).
Decision from_tunnel_of_host(const Tables& tables, const Flow& flow) {
  if (!is_hosts_own(tables, flow)) return drop(Drop::kNotFromHost);
  if (flow.source.is_unspecified()) return drop(Drop::kMartianSource);
  return into_tunnel(tables, flow, flow.port);
}

// What the kernel's SAs have made is not asked about again, as what ours have made is not. In UDP it passes
// with IKE.
bool is_of_kernel_sa(const Tables& tables, const Flow& flow) {
  return tables.kernel_sas && (flow.protocol == kEsp || flow.protocol == kAh) &&
         tables.routes->local(flow.source) != nullptr;
}

// Out of a TAP comes what the host sends itself, and what the kernel was given to forward.
Decision from_host(const Tables& tables, const Flow& flow) {
  if (!is_hosts_own(tables, flow)) return forwarded_by_kernel(tables, flow);
  if (flow.origin == Origin::kHostProtected || we_discover(tables, flow)) return send(flow.port);
  if (flow.protocol == kUdp && is_ike_port(flow.sport) && tables.routes->local(flow.source))
    return send(flow.port);
  if (is_link_multicast(flow.destination)) return send(flow.port);
  if (is_of_kernel_sa(tables, flow)) return tables.gateway_on ? send(flow.port) : drop(Drop::kGatewayOff);
  const Drop in_tunnel = in_clear(tables, flow.destination);
  const Decision decision =
      outbound(tables, flow, in_tunnel == Drop::kNone ? send(flow.port) : drop(in_tunnel));
  const bool may_differ = may_be_ike(flow) && decision != send(flow.port);
  return may_differ && tables.routes->local(flow.source) ? drop(Drop::kFragment) : decision;
}

// A group that a protected host sends to does not come back to where it is from.
bool leads_back(const Tables& tables, const Flow& flow, const RouteTo& to) {
  return flow.origin == Origin::kProtected && is_multicast(flow.destination) &&
         tables.routes->next_hop(to.index).side == Side::kProtected;
}

// To somebody else: by the routes, and over the boundary by the policies.
Decision routed(const Tables& tables, const Flow& flow) {
  RouteTo to = tables.routes->find(flow.destination, path_hash(flow));
  if (to && is_tunnel(tables.routes->next_hop(to.index).port))
    return into_tunnel(tables, flow, tables.routes->next_hop(to.index).port);
  if (to && leads_back(tables, flow, to)) to = {};
  const bool stays_inside = to && tables.routes->next_hop(to.index).side == Side::kProtected;
  if (!tables.gateway_on && (flow.origin == Origin::kUnprotected || !stays_inside))
    return drop(Drop::kGatewayOff);
  if (stays_inside) return forward(to.index);
  // A route that refuses holds for what a policy protects too, as in the kernel. Else protected traffic needs
  // a route of its outer packet only: the inner destination may have none.
  if (to.refuses()) return drop(to.reason);
  const Drop in_tunnel = in_clear(tables, flow.destination);
  const Drop reason = to ? in_tunnel : to.reason;
  return outbound(tables, flow, reason == Drop::kNone ? forward(to.index) : drop(reason));
}

}  // namespace

const OutboundSlot* protecting_slot(const Tables& tables, const Flow& flow) {
  const Spd* spd = tables.gateway_on ? outbound_spd(tables, flow) : nullptr;
  const Spd::Entry* entry = spd == nullptr ? nullptr : spd->find(Direction::kOut, flow);
  if (entry == nullptr || entry->action != Action::kProtect || why_not_fragment(*entry, flow) != Drop::kNone)
    return nullptr;
  if (entry->via_kernel) return nullptr;
  const OutboundSlot& slot = (*tables.outbound)[entry->slot];
  return slot.sa.read() == nullptr ? nullptr : &slot;
}

Decision decide(const Tables& tables, const Flow& flow) {
  if (flow.origin == Origin::kHostTunnel) return from_tunnel_of_host(tables, flow);
  if (flow.origin == Origin::kHostProtected || flow.origin == Origin::kHostUnprotected)
    return from_host(tables, flow);
  if (const Drop reason = martian(tables, flow); reason != Drop::kNone) return drop(reason);
  const bool group = is_multicast(flow.destination), named = is_named_group(tables, flow);
  // What speaks to one link is not taken from a tunnel: a peer must not say who our neighbours are. A tunnel
  // interface is a link, but has no neighbours to discover.
  const bool link = flow.origin == Origin::kDecrypted && is_tunnel(flow.port);
  if (link && !tables.routes->is_up(flow.port)) return drop(Drop::kTunnelDown);
  if (flow.origin == Origin::kDecrypted && (discovers_us(tables, flow) || (group && !named && !link)))
    return drop(Drop::kNotForUs);
  if (discovers_us(tables, flow)) return punt(flow.port);
  if (const LocalAddress* to = tables.routes->local(flow.destination)) return for_us(tables, flow, *to);
  if (group && !named)
    return flow.origin == Origin::kProtected || link || is_link_multicast(flow.destination)
               ? punt(flow.port)
               : drop(Drop::kNotForUs);
  if (is_dhcp_offer(tables, flow)) return punt(flow.port);
  if (const Drop reason = link_local(flow); reason != Drop::kNone) return drop(reason);

  if (flow.origin != Origin::kUnprotected) return routed(tables, flow);
  const Inbound in = inbound(tables, flow);
  if (in.reason != Drop::kNone) return drop(in.reason).counted(in.hit);
  if (tables.gateway_on && entry_via_kernel(tables, Direction::kIn, flow) != nullptr)
    return punt(flow.port).counted(in.hit);
  // What leaves for the outside again counts for the entry that decided last.
  const Decision out = routed(tables, flow);
  return out.protects() || out.hit != kNoHit ? out : out.counted(in.hit);
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/stage_icmp.h"

#include <rte_cycles.h>

namespace simplon::dp {
namespace {

const IpAddress* address_on(Side side, const Routes& routes, Family family) {
  for (std::uint16_t i = 0; PortIndex{i} < routes.end(); ++i)
    if (routes.side(PortIndex{i}) == side)
      if (const IpAddress* found = routes.address_of(PortIndex{i}, family)) return found;
  return nullptr;
}

// Where the error says it is from (RFC 1812 §4.3.2.4): the port that the packet came in at, which leads back
// to its sender, or the tunnel interface. What came out of an SA without one came in at none: then the port
// that it was to leave by, whose address the SA carries more likely than another's. Our own kernel believes
// nobody who has an address of ours; to it the error is the destination's. Without an address at any port:
// the router's id, of lo or a dummy.
std::optional<IpAddress> source_of_error(const PacketInfo& refused, const Routes& routes) {
  const bool v4 = refused.headers.v4;
  const Family family = v4 ? Family::kV4 : Family::kV6;
  const IpAddress destination = destination_of(ip_of(refused), v4);
  if (refused.from_host()) return destination;
  const IpAddress* found = nullptr;
  if (refused.origin == Origin::kDecrypted && !is_tunnel(refused.port)) {
    const RouteTo to = routes.find(destination, path_hash(flow_of(refused)));
    if (to && routes.next_hop(to.index).side == Side::kProtected)
      found = routes.address_of(routes.next_hop(to.index).port, family);
  } else {
    found = routes.address_of(refused.port, family);
  }
  if (found == nullptr) found = address_on(Side::kProtected, routes, family);
  if (found == nullptr) found = address_on(Side::kUnprotected, routes, family);
  if (found == nullptr) found = routes.router_id(family);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

// By a BYPASS entry.
bool leaves_in_clear(const PacketInfo& packet, const Tables& tables) {
  const Decision decision = decide(tables, flow_of(packet));
  return decision.forwards() && tables.routes->next_hop(decision.index).side == Side::kUnprotected;
}

}  // namespace

rte_mbuf* IcmpErrors::make(const PacketInfo& refused, const RefuseWork& work, const Tables& tables) {
  const IcmpRow* row = find_icmp(work.reason);
  const std::uint8_t* ip = ip_of(refused);
  if (row == nullptr || !may_be_answered(ip, refused.headers, row->kind)) return nullptr;
  // Somebody else who says that he is one of us.
  if (!refused.from_host() && tables.routes->local(source_of(ip, refused.headers.v4))) return nullptr;
  const auto from = source_of_error(refused, *tables.routes);
  if (!from || !allowed_[static_cast<std::size_t>(row->kind)].take(rte_rdtsc())) return nullptr;
  return make_icmp_error(refused.m, refused.headers, *row, work.mtu, *from, ++id_);
}

void IcmpErrors::send(Burst& burst, const Tables& tables) {
  const unsigned n = burst.refuse.take();
  for (unsigned i = 0; i < n; ++i) {
    const RefuseWork work = burst.refuse[i];
    PacketInfo& packet = burst.packets[work.packet];
    const bool decrypted = packet.origin == Origin::kDecrypted;
    rte_mbuf* error = make(packet, work, tables);
    drop(packet.m, work.reason, counters_);
    if (error == nullptr) continue;
    packet = {.m = error, .headers = {}, .origin = Origin::kGateway, .port = packet.port, .spi = {}};
    const Drop bad = parse_ip(error, 0, packet.headers);
    // What came out of an SA does not leave in clear, not even quoted in part.
    if (bad != Drop::kNone || (decrypted && leaves_in_clear(packet, tables))) {
      rte_pktmbuf_free(error);
      continue;
    }
    ++counters_.icmp_errors;
    burst.wait_for_classify(work.packet);
  }
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/routes.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace simplon::dp {
namespace {

const PortIndex kLan{0}, kWan{1};
const Mac kLanMac{2, 0, 0, 0, 0, 1}, kWanMac{2, 0, 0, 0, 0, 2}, kPeerMac{2, 0, 0, 0, 0, 9};

IpAddress ip(const std::string& text) { return *IpAddress::parse(text); }
Route route(const std::string& prefix, std::optional<std::string> gateway, PortIndex port,
            std::uint32_t metric = 0) {
  return {*Prefix::parse(prefix), gateway ? std::optional(ip(*gateway)) : std::nullopt, port, metric};
}

std::unique_ptr<const Routes> build(const NetworkSpec& network) {
  auto routes =
      Routes::build(network, {{kLanMac, Side::kProtected, 1500}, {kWanMac, Side::kUnprotected, 1400}});
  EXPECT_TRUE(routes) << routes.error().what;
  return std::move(*routes);
}
const NextHop* find(const Routes& routes, const std::string& destination, std::uint32_t path = 0) {
  const RouteTo to = routes.find(ip(destination), path);
  return to ? &routes.next_hop(to.index) : nullptr;
}

TEST(Routes, LongestPrefixDecidesInBothFamilies) {
  const auto routes = build(
      {.routes = {route("0.0.0.0/0", "198.51.100.254", kWan), route("198.18.0.0/15", "198.18.0.1", kLan),
                  route("198.18.7.0/24", "198.18.0.2", kLan), route("198.18.7.7/32", "198.18.0.3", kLan),
                  route("::/0", "2001:db8::fe", kWan), route("2001:db8:a::/48", "2001:db8::1", kLan),
                  route("2001:db8:a:7::/64", "2001:db8::2", kLan),
                  route("2001:db8:a:7::7/128", "2001:db8::3", kLan)}});
  for (const auto& [to, gateway] : {std::pair{"203.0.113.1", "198.51.100.254"},
                                    {"198.19.255.255", "198.18.0.1"},
                                    {"198.18.7.1", "198.18.0.2"},
                                    {"198.18.7.7", "198.18.0.3"},
                                    {"198.18.7.8", "198.18.0.2"},
                                    {"198.20.0.0", "198.51.100.254"},
                                    {"2001:db8:f::1", "2001:db8::fe"},
                                    {"2001:db8:a:8::1", "2001:db8::1"},
                                    {"2001:db8:a:7::1", "2001:db8::2"},
                                    {"2001:db8:a:7::7", "2001:db8::3"},
                                    {"2001:db8:a:7::8", "2001:db8::2"}}) {
    ASSERT_NE(find(*routes, to), nullptr) << to;
    EXPECT_EQ(find(*routes, to)->address, ip(gateway)) << to;
  }
}

TEST(Routes, WithoutARouteThereIsNoNextHop) {
  const auto routes = build({.routes = {route("198.18.0.0/24", "198.18.0.1", kLan)}});
  EXPECT_EQ(find(*routes, "198.18.1.1"), nullptr);
  EXPECT_EQ(find(*routes, "2001:db8::1"), nullptr);
  EXPECT_EQ(find(*build({}), "198.18.1.1"), nullptr);
}

// Every prefix length of both families, nested, against a search through the whole list.
TEST(Routes, AgreeWithALinearSearch) {
  std::mt19937 random(4);
  const auto any = [&](Family family) {
    std::array<std::uint8_t, 16> raw{};
    for (auto& b : raw) b = static_cast<std::uint8_t>(random() % 2 ? 0xff : 0);  // few values: prefixes nest
    return *IpAddress::from_bytes(Bytes(raw).first(family == Family::kV4 ? 4 : 16));
  };
  for (int round = 0; round < 30; ++round) {
    NetworkSpec network;
    for (unsigned i = 0; i < 150; ++i) {
      const Family f = random() % 2 ? Family::kV4 : Family::kV6;
      const auto length = static_cast<std::uint8_t>(random() % (IpAddress::any(f).bits() + 1));
      const IpAddress gateway =
          f == Family::kV4 ? IpAddress::v4(i + 1) : ip("fe80::" + std::to_string(i + 1));
      network.routes.push_back(
          {{masked(any(f), length), length}, gateway, kLan, i});  // the metric: the first wins
    }
    const auto routes = build(network);
    for (int i = 0; i < 1000; ++i) {
      const IpAddress to = any(random() % 2 ? Family::kV4 : Family::kV6);
      const Route* best = nullptr;
      for (const Route& r : network.routes)
        if (r.prefix.contains(to) && (best == nullptr || r.prefix.length > best->prefix.length)) best = &r;
      const RouteTo found = routes->find(to, 0);
      ASSERT_EQ(bool(found), best != nullptr) << to.text();
      if (best == nullptr) continue;
      ASSERT_EQ(routes->next_hop(found.index).address, *best->gateway) << to.text();
    }
  }
}

TEST(Routes, LowestMetricWins) {
  const auto routes = build({.routes = {route("198.18.0.0/24", "198.18.0.1", kLan, 20),
                                        route("198.18.0.0/24", "198.18.0.2", kLan, 10),
                                        route("198.18.0.0/24", "198.18.0.3", kLan, 30)}});
  EXPECT_EQ(find(*routes, "198.18.0.9")->address, ip("198.18.0.2"));
}

Route refusing(const std::string& prefix, RouteKind kind, std::uint32_t metric = 0) {
  return {.prefix = *Prefix::parse(prefix), .gateway = {}, .metric = metric, .kind = kind};
}

// RFC 1812 §5.2.4.3: the longest prefix decides, also when it says that there is no way.
TEST(Rfc1812_5_2_4_3, RouteThatRefusesIsNotPassedOverForAWiderOne) {
  const auto routes =
      build({.routes = {route("0.0.0.0/0", "198.51.100.254", kWan), route("::/0", "2001:db8::fe", kWan),
                        refusing("203.0.113.0/26", RouteKind::kBlackhole),
                        refusing("203.0.113.64/26", RouteKind::kUnreachable),
                        refusing("203.0.113.128/26", RouteKind::kProhibit),
                        refusing("203.0.113.192/26", RouteKind::kThrow),
                        refusing("2001:db8:b::/48", RouteKind::kUnreachable),
                        route("203.0.113.7/32", "198.51.100.253", kWan)}});
  for (const auto& [to, reason] : {std::pair{"203.0.113.1", Drop::kRouteBlackhole},
                                   {"203.0.113.65", Drop::kRouteUnreachable},
                                   {"203.0.113.129", Drop::kRouteProhibit},
                                   {"203.0.113.193", Drop::kNoRoute},
                                   {"2001:db8:b::1", Drop::kRouteUnreachable}})
    EXPECT_EQ(routes->find(ip(to), 0).reason, reason) << to;
  EXPECT_EQ(find(*routes, "203.0.112.1")->address, ip("198.51.100.254")) << "the control";
  EXPECT_EQ(find(*routes, "203.0.113.7")->address, ip("198.51.100.253")) << "a narrower one";
}

TEST(Routes, MetricDecidesBetweenARouteThatRefusesAndOneThatLeads) {
  const auto routes = build({.routes = {route("203.0.113.0/24", "198.51.100.254", kWan, 10),
                                        refusing("203.0.113.0/24", RouteKind::kBlackhole, 254),
                                        route("203.0.114.0/24", "198.51.100.254", kWan, 10),
                                        refusing("203.0.114.0/24", RouteKind::kBlackhole, 5)}});
  EXPECT_TRUE(routes->find(ip("203.0.113.1"), 0));
  EXPECT_EQ(routes->find(ip("203.0.114.1"), 0).reason, Drop::kRouteBlackhole);
}

Flow flow(unsigned host, std::uint16_t port) {
  return {.source = IpAddress::v4(0xc6120100 + host),
          .destination = ip("203.0.113.9"),
          .sport = port,
          .dport = 443,
          .protocol = kTcp};
}

// RFC 2992 §4: a share for each by its weight; a flow keeps its next hop.
TEST(Rfc2992, NextHopsOfARouteShareTheFlowsByTheirWeights) {
  Route light = route("203.0.113.0/24", "198.51.100.1", kWan, 5), heavy = light;
  heavy.gateway = ip("198.51.100.2");
  heavy.weight = 3;
  const auto routes = build({.routes = {light, heavy, route("203.0.113.0/24", "198.51.100.3", kWan, 6)}});
  std::map<IpAddress, unsigned> flows;
  for (unsigned host = 0; host < 100; ++host)
    for (std::uint16_t port = 40000; port < 40100; ++port) {
      const RouteTo to = routes->find(ip("203.0.113.9"), path_hash(flow(host, port)));
      ASSERT_TRUE(to);
      ASSERT_EQ(to, routes->find(ip("203.0.113.9"), path_hash(flow(host, port))));
      ++flows[routes->next_hop(to.index).address];
    }
  ASSERT_EQ(flows.size(), 2u) << "the one of a worse metric has none";
  EXPECT_NEAR(flows[ip("198.51.100.1")], 2500, 200);
  EXPECT_NEAR(flows[ip("198.51.100.2")], 7500, 200);
}

TEST(Rfc2992, EveryHashHasANextHop) {
  NetworkSpec network;
  for (int i = 1; i <= 7; ++i)
    network.routes.push_back(route("203.0.113.0/24", "198.51.100." + std::to_string(i), kWan));
  const auto routes = build(network);
  for (const std::uint32_t hash : {0u, 1u, 0x7fffffffu, 0xfffffffeu, 0xffffffffu})
    EXPECT_NE(find(*routes, "203.0.113.9", hash), nullptr) << hash;
  std::set<IpAddress> gateways;
  for (std::uint32_t spi = 256; spi < 400; ++spi)
    gateways.insert(find(*routes, "203.0.113.9", path_hash(Be32{spi}))->address);
  EXPECT_EQ(gateways.size(), 7u) << "SAs go by all of them";
}

TEST(Rfc1191, RoutesOwnMtuLowersThePorts) {
  Route small = route("203.0.113.0/24", "198.51.100.254", kWan), tiny = small, large = small, link = small;
  small.mtu = 1300;
  tiny.prefix = *Prefix::parse("203.0.114.0/24"), tiny.mtu = 100;
  large.prefix = *Prefix::parse("203.0.115.0/24"), large.mtu = 9000;
  link.prefix = *Prefix::parse("198.51.100.0/24"), link.gateway.reset(), link.mtu = 1350;
  const auto routes = build({.routes = {route("0.0.0.0/0", "198.51.100.254", kWan), small, tiny, large, link},
                             .neighbours = {{ip("198.51.100.7"), kWan, kPeerMac}}});
  EXPECT_TRUE(routes->has_mtus());
  EXPECT_EQ(find(*routes, "203.0.113.1")->mtu, 1300);
  EXPECT_EQ(find(*routes, "203.0.114.1")->mtu, 576) << "no less than every path has";
  EXPECT_EQ(find(*routes, "203.0.115.1")->mtu, 1400) << "the port's";
  EXPECT_EQ(find(*routes, "192.0.2.1")->mtu, 1400) << "by the same gateway";
  EXPECT_EQ(find(*routes, "198.51.100.7")->mtu, 1350) << "a neighbour on that link";
  EXPECT_FALSE(build({.routes = {route("0.0.0.0/0", "198.51.100.254", kWan)}})->has_mtus());
}

TEST(Routes, KnownGatewayGivesAWholeEthernetHeader) {
  const auto routes = build(
      {.routes = {route("203.0.113.0/24", "198.51.100.254", kWan), route("2001:db8:b::/48", "fe80::1", kWan)},
       .neighbours = {{ip("198.51.100.254"), kWan, kPeerMac},
                      {ip("fe80::1"), kLan, kLanMac},
                      {ip("fe80::1"), kWan, kPeerMac}}});
  for (const auto& [to, type] : {std::pair{"203.0.113.1", 0x0800}, {"2001:db8:b::1", 0x86dd}}) {
    const NextHop& hop = *find(*routes, to);
    EXPECT_TRUE(hop.resolved) << to;
    EXPECT_TRUE(std::equal(kPeerMac.begin(), kPeerMac.end(), hop.ethernet.begin()))
        << "a link-local neighbour is its port's: " << to;
    EXPECT_TRUE(std::equal(kWanMac.begin(), kWanMac.end(), hop.ethernet.begin() + 6));
    EXPECT_EQ(load_be16(hop.ethernet.data() + 12), type);
    EXPECT_EQ(hop.port, kWan);
    EXPECT_EQ(hop.side, Side::kUnprotected);
    EXPECT_EQ(hop.mtu, 1400);
  }
}

TEST(Routes, UnknownGatewayNamesWhomToAskFor) {
  const auto routes = build({.routes = {route("203.0.113.0/24", "198.51.100.254", kWan),
                                        route("198.51.100.0/24", std::nullopt, kWan)}});
  EXPECT_FALSE(find(*routes, "203.0.113.1")->resolved);
  EXPECT_EQ(find(*routes, "203.0.113.1")->address, ip("198.51.100.254"));
  EXPECT_FALSE(find(*routes, "198.51.100.7")->resolved);
  EXPECT_TRUE(find(*routes, "198.51.100.7")->address.is_unspecified()) << "on a link: the destination itself";
}

// RFC 8950 (5549): an IPv4 route by way of an IPv6 gateway carries IPv4.
TEST(Rfc8950, EtherTypeIsThePacketsNotTheGateways) {
  const auto routes = build({.routes = {route("203.0.113.0/24", "fe80::1", kWan)},
                             .neighbours = {{ip("fe80::1"), kWan, kPeerMac}}});
  const NextHop& hop = *find(*routes, "203.0.113.1");
  EXPECT_TRUE(hop.resolved);
  EXPECT_EQ(load_be16(hop.ethernet.data() + 12), 0x0800);
}

TEST(Routes, NeighbourOnALinkIsReachedItself) {
  const auto routes = build({.routes = {route("198.18.1.0/24", std::nullopt, kLan)},
                             .neighbours = {{ip("198.18.1.10"), kLan, kPeerMac}}});
  EXPECT_TRUE(find(*routes, "198.18.1.10")->resolved);
  EXPECT_FALSE(find(*routes, "198.18.1.11")->resolved);
}

// A stranger on the unprotected link who says that he is a protected host (ARP makes the kernel note it) must
// not get that host's traffic; nor does a neighbour bypass a route's gateway.
TEST(Routes, NeighbourTakesNoTrafficThatTheRoutesSendElsewhere) {
  const auto routes = build(
      {.routes = {route("198.18.1.0/24", std::nullopt, kLan), route("0.0.0.0/0", "198.51.100.254", kWan),
                  route("198.51.100.0/24", std::nullopt, kWan), route("2001:db8:a::/64", std::nullopt, kLan)},
       .neighbours = {{ip("198.18.1.10"), kWan, kPeerMac},
                      {ip("203.0.113.5"), kWan, kPeerMac},
                      {ip("2001:db8:a::10"), kWan, kPeerMac}}});
  EXPECT_EQ(find(*routes, "198.18.1.10")->port, kLan);
  EXPECT_FALSE(find(*routes, "198.18.1.10")->resolved);
  EXPECT_EQ(find(*routes, "2001:db8:a::10")->port, kLan);
  EXPECT_EQ(find(*routes, "203.0.113.5")->address, ip("198.51.100.254"));
}

// One address, known on two ports: the route says which of the two it is.
TEST(Routes, NeighbourOfTheRoutesPortIsTaken) {
  const auto routes =
      build({.routes = {route("198.18.1.0/24", std::nullopt, kLan)},
             .neighbours = {{ip("198.18.1.10"), kWan, kWanMac}, {ip("198.18.1.10"), kLan, kPeerMac}}});
  const NextHop& hop = *find(*routes, "198.18.1.10");
  EXPECT_TRUE(hop.resolved);
  EXPECT_EQ(hop.port, kLan);
  EXPECT_TRUE(std::equal(kPeerMac.begin(), kPeerMac.end(), hop.ethernet.begin()));
}

// `ip route add 172.31.1.1 dev wan`, as clouds ask for it: the route to one host that is itself on the link.
TEST(Routes, HostRouteOnALinkIsResolvedByItsNeighbour) {
  const auto routes = build(
      {.routes = {route("192.0.2.1/32", std::nullopt, kWan), route("2001:db8::1/128", std::nullopt, kWan)},
       .neighbours = {{ip("192.0.2.1"), kWan, kPeerMac}, {ip("2001:db8::1"), kWan, kPeerMac}}});
  EXPECT_TRUE(find(*routes, "192.0.2.1")->resolved);
  EXPECT_TRUE(find(*routes, "2001:db8::1")->resolved);
}

TEST(Routes, ThatLeadToOneNeighbourShareItsNextHop) {
  NetworkSpec network{
      .routes = {route("::/0", "2001:db8::9", kWan), route("0.0.0.0/0", "2001:db8::9", kWan)}};
  for (unsigned i = 0; i < 100; ++i) {
    network.routes.push_back(route("10.0." + std::to_string(i) + ".0/24", "198.51.100.9", kWan));
    network.routes.push_back(route("10.1." + std::to_string(i) + ".0/24", "198.51.100.9", kLan));
  }
  const auto routes = build(network);
  EXPECT_EQ(routes->next_hops().size(), 4u) << "two ports, and an EtherType each for the IPv6 gateway";
  EXPECT_EQ(find(*routes, "10.0.7.1"), find(*routes, "10.0.8.1"));
  EXPECT_EQ(find(*routes, "10.1.7.1")->port, kLan);
}

TEST(Routes, LocalAddressesAreKnownByPort) {
  const auto routes =
      build({.addresses = {{ip("198.51.100.1"), kWan}, {ip("198.18.1.1"), kLan}, {ip("2001:db8::1"), kLan}}});
  const auto port_of = [&](const char* address) {
    const LocalAddress* found = routes->local(ip(address));
    return found == nullptr ? std::nullopt : found->port;
  };
  EXPECT_EQ(port_of("198.51.100.1"), kWan);
  EXPECT_EQ(port_of("198.18.1.1"), kLan);
  EXPECT_EQ(port_of("2001:db8::1"), kLan);
  EXPECT_EQ(routes->local(ip("198.18.1.2")), nullptr);
  EXPECT_EQ(routes->local(ip("2001:db8::2")), nullptr);
}

// The end of a tunnel may be an address of lo or a dummy interface that a routing protocol announces.
TEST(Routes, AddressOnAnotherInterfaceIsLocalToo) {
  const auto routes = build(
      {.addresses = {
           {ip("203.0.113.1"), std::nullopt}, {ip("198.18.1.1"), std::nullopt}, {ip("198.18.1.1"), kLan}}});
  ASSERT_NE(routes->local(ip("203.0.113.1")), nullptr);
  EXPECT_EQ(routes->local(ip("203.0.113.1"))->port, std::nullopt);
  EXPECT_EQ(routes->local(ip("198.18.1.1"))->port, kLan) << "a port's comes first";
}

}  // namespace
}  // namespace simplon::dp

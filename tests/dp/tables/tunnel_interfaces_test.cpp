// SPDX-License-Identifier: Apache-2.0
// Tunnel interfaces: the route chooses the SPD (RFC 4301 §4.4.1, §5.1), and what is routed to one never
// passes in clear.
#include <gtest/gtest.h>

#include <set>

#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

const InterfaceId kOne{1}, kTwo{2};
const PortIndex kTun1 = port_of(kOne), kTun2 = port_of(kTwo);
const char *const kInside = "198.18.1.10", *const kUsLan = "198.18.1.1", *const kUsWan = "198.51.100.1",
                  *const kUsTun = "192.0.2.1", *const kFar1 = "198.18.2.10", *const kFar2 = "198.18.3.10",
                  *const kOutside = "203.0.113.9", *const kUsLink = "fe80::1";

IpAddress ip(const char* text) { return *IpAddress::parse(text); }
Prefix prefix(const char* text) { return *Prefix::parse(text); }
Decision dropped(Drop reason) { return Decision::drop(reason); }
Decision punted(PortIndex port) { return Decision::punt(port); }

// Two connections of any and any, an interface each; a BYPASS for all else; routes decide.
class Gateway {
 public:
  Gateway() : quiescence_(1), registry_(*Shared::get().crypto, quiescence_, 1, ports()) {
    quiescence_.online(0);
    add(1, kOne, "0.0.0.0/0"), add(2, kOne, "::/0");
    add(3, kTwo, "0.0.0.0/0"), add(4, kTwo, "::/0");
    add(9, {}, "0.0.0.0/0", Action::kBypass), add(10, {}, "::/0", Action::kBypass);
    network = {
        .addresses = {{ip(kUsLan), kLan}, {ip(kUsWan), kWan}, {ip(kUsTun), kTun1}, {ip(kUsLink), kTun1}},
        .routes = {{prefix("198.18.1.0/24"), std::nullopt, kLan},
                   {prefix("198.18.2.0/24"), std::nullopt, kTun1},
                   {prefix("198.18.3.0/24"), std::nullopt, kTun2},
                   {prefix("2001:db8:b::/64"), std::nullopt, kTun1},
                   {prefix("198.51.100.0/24"), std::nullopt, kWan},
                   {prefix("0.0.0.0/0"), ip("198.51.100.254"), kWan}},
        .tunnels = {kTun1, kTun2}};
    publish();
  }
  ~Gateway() { quiescence_.offline(0); }
  void publish() {
    registry_.set_network(network);
    EXPECT_TRUE(registry_.commit());
  }
  void add(std::uint32_t id, InterfaceId interface, const char* all, Action action = Action::kProtect) {
    ASSERT_TRUE(registry_.add_policy({.id = PolicyId{id},
                                      .order = id,
                                      .action = action,
                                      .selectors = selectors(all, all),
                                      .interface = interface}));
  }
  Registry& registry() { return registry_; }
  const Tables& tables() { return *registry_.tables().read(); }
  Decision operator()(Origin origin, PortIndex port, const char* source, const char* destination,
                      std::uint8_t protocol = kTcp, std::uint16_t sport = 1000) {
    return decide(tables(), {.source = ip(source),
                             .destination = ip(destination),
                             .sport = sport,
                             .dport = 2000,
                             .protocol = protocol,
                             .origin = origin,
                             .port = port});
  }
  Decision inside(const char* destination) { return (*this)(Origin::kProtected, kLan, kInside, destination); }
  Decision host(const char* source, const char* destination) {
    return (*this)(Origin::kHostUnprotected, kWan, source, destination);
  }
  Decision clear(const char* source, const char* destination) {
    return (*this)(Origin::kUnprotected, kWan, source, destination);
  }
  // The policy whose SA takes it; none: it is not protected.
  std::optional<std::uint32_t> policy(const Decision& d) {
    if (d.kind != Decision::Kind::kProtect) return std::nullopt;
    return static_cast<std::uint32_t>((*tables().outbound)[d.index].policy.get());
  }

  NetworkSpec network;

 private:
  static std::vector<PortFacts> ports() {
    return {{Mac{2, 0, 0, 0, 0, 1}, Side::kProtected, 1500},
            {Mac{2, 0, 0, 0, 0, 2}, Side::kUnprotected, 1500}};
  }
  Quiescence quiescence_;
  Registry registry_;
};

TEST(Rfc4301_5_1, RouteChoosesTheSpdOfItsTunnelInterface) {
  Gateway g;
  EXPECT_EQ(g.policy(g.inside(kFar1)), 1u);
  EXPECT_EQ(g.policy(g.inside(kFar2)), 3u) << "the same selectors, another interface";
  EXPECT_EQ(g.policy(g(Origin::kProtected, kLan, "2001:db8:a::1", "2001:db8:b::1")), 2u);
  EXPECT_TRUE(g.inside(kOutside).forwards()) << "any and any attracts nothing";
  g.network.routes[2].port = kTun1;
  g.publish();
  EXPECT_EQ(g.policy(g.inside(kFar2)), 1u) << "the route has moved";
  EXPECT_EQ(g.policy(g(Origin::kDecrypted, kTun1, kFar1, kFar2)), 1u)
      << "a hub forwards from tunnel to tunnel";
}

TEST(Rfc4301_5_1, SelectorsOfTheChildStillHold) {
  Gateway g;
  g.registry().remove_policy(PolicyId{1});
  ASSERT_TRUE(g.registry().add_policy({.id = PolicyId{1},
                                       .order = 1,
                                       .action = Action::kProtect,
                                       .selectors = selectors("198.18.1.0/24", "198.18.2.0/28"),
                                       .interface = kOne}));
  g.publish();
  EXPECT_EQ(g.policy(g.inside(kFar1)), 1u);
  EXPECT_EQ(g.inside("198.18.2.99"), dropped(Drop::kNoPolicy)) << "not in clear, though there is a BYPASS";
}

TEST(Rfc4301_5_1, TunnelInterfaceThatIsDownOrGoneClosesItsRoutes) {
  Gateway g;
  g.network.tunnels = {kTun2};
  g.publish();
  EXPECT_EQ(g.inside(kFar1), dropped(Drop::kTunnelDown));
  EXPECT_EQ(g(Origin::kHostTunnel, kTun1, kUsTun, kFar1), dropped(Drop::kTunnelDown));
  EXPECT_EQ(g(Origin::kDecrypted, kTun1, kFar1, kInside), dropped(Drop::kTunnelDown));
  EXPECT_EQ(g.host(kUsWan, kFar1), dropped(Drop::kTunnelDown)) << "which the kernel sends elsewhere by now";
  EXPECT_EQ(g.clear(kFar1, kInside), dropped(Drop::kTunnelDown));
  EXPECT_EQ(g.policy(g.inside(kFar2)), 3u) << "the other one is as it was";
  EXPECT_TRUE(g.inside(kOutside).forwards());
}

TEST(Rfc4301_5_1, InterfaceWithoutPoliciesClosesItsRoutes) {
  Gateway g;
  g.registry().remove_policy(PolicyId{3});
  g.registry().remove_policy(PolicyId{4});
  g.publish();
  EXPECT_EQ(g.inside(kFar2), dropped(Drop::kNoPolicy));
  EXPECT_EQ(g.policy(g.inside(kFar1)), 1u);
}

TEST(Rfc4301_5_2, WhatComesByATunnelDoesNotComeInClear) {
  Gateway g;
  EXPECT_EQ(g.clear(kFar1, kInside), dropped(Drop::kClearNotAllowed));
  EXPECT_EQ(g.clear(kFar1, kUsWan), dropped(Drop::kClearNotAllowed));
  EXPECT_TRUE(g.clear(kOutside, kInside).forwards()) << "the BYPASS";
  EXPECT_EQ(g.host(kUsWan, kFar1), dropped(Drop::kClearNotAllowed)) << "the host's own, past its routes";
  EXPECT_EQ(g.host(kUsWan, kOutside).kind, Decision::Kind::kSend);
}

TEST(Rfc4301_5_2, WhatTheKernelForwardsDoesNotPassATunnelByInClear) {
  Gateway g;
  g.registry().remove_policy(PolicyId{9});
  ASSERT_TRUE(g.registry().add_policy({.id = PolicyId{9},
                                       .order = 9,
                                       .action = Action::kBypass,
                                       .selectors = selectors("0.0.0.0/0", "0.0.0.0/0"),
                                       .via_kernel = true}));
  g.publish();
  const auto out = [&](const char* to) { return g(Origin::kHostUnprotected, kWan, kInside, to); };
  const auto in = [&](const char* from) { return g(Origin::kHostProtected, kLan, from, kInside); };
  EXPECT_EQ(out(kOutside).kind, Decision::Kind::kSend);
  EXPECT_EQ(in(kOutside).kind, Decision::Kind::kSend);
  EXPECT_EQ(out(kFar1), dropped(Drop::kClearNotAllowed));
  EXPECT_EQ(in(kFar1), dropped(Drop::kClearNotAllowed));
  g.network.tunnels = {};
  g.publish();
  EXPECT_EQ(out(kFar1), dropped(Drop::kTunnelDown));
}

// A prefix with two ways, of which one is a tunnel interface's: a hash of the flow chooses.
TEST(Rfc4301_5_2, NothingPassesInClearBesideATunnelThatSharesItsPrefix) {
  Gateway g;
  g.network.routes.push_back({prefix("198.18.2.0/24"), ip("198.51.100.254"), kWan});
  g.publish();
  std::set<Decision::Kind> kinds;
  const auto never = [&](const Decision& d, Origin origin, std::uint16_t sport) {
    kinds.insert(d.kind);
    EXPECT_TRUE(g.policy(d) == 1u || d == dropped(Drop::kClearNotAllowed))
        << static_cast<int>(origin) << ", " << sport;
  };
  for (std::uint16_t sport = 1; sport <= 64; ++sport) {
    never(g(Origin::kProtected, kLan, kInside, kFar1, kTcp, sport), Origin::kProtected, sport);
    never(g(Origin::kDecrypted, kTun2, kFar2, kFar1, kTcp, sport), Origin::kDecrypted, sport);
    for (const char* to : {kInside, kUsWan})
      EXPECT_EQ(g(Origin::kUnprotected, kWan, kFar1, to, kTcp, sport), dropped(Drop::kClearNotAllowed));
    EXPECT_EQ(g(Origin::kHostUnprotected, kWan, kUsWan, kFar1, kTcp, sport), dropped(Drop::kClearNotAllowed));
  }
  EXPECT_EQ(kinds, (std::set{Decision::Kind::kProtect, Decision::Kind::kDrop})) << "both ways are chosen";
  g.network.tunnels = {kTun2};
  g.publish();
  for (std::uint16_t sport = 1; sport <= 64; ++sport)
    EXPECT_EQ(g(Origin::kProtected, kLan, kInside, kFar1, kTcp, sport), dropped(Drop::kTunnelDown));
}

TEST(Rfc4301_5_2, NeighbourOnALinkDoesNotOpenAPrefixThatATunnelShares) {
  Gateway g;
  g.network.routes.push_back({prefix("198.18.2.0/24"), std::nullopt, kWan});
  g.network.neighbours = {{ip(kFar1), kWan, {2, 0, 0, 0, 0, 9}}};
  g.publish();
  bool tunnel = false;
  for (std::uint16_t sport = 1; sport <= 64; ++sport) {
    const Decision d = g(Origin::kProtected, kLan, kInside, kFar1, kTcp, sport);
    tunnel = tunnel || g.policy(d) == 1u;
    EXPECT_TRUE(g.policy(d) == 1u || d == dropped(Drop::kClearNotAllowed)) << sport;
    EXPECT_EQ(g(Origin::kUnprotected, kWan, kFar1, kInside, kTcp, sport), dropped(Drop::kClearNotAllowed));
  }
  EXPECT_TRUE(tunnel) << "who answers for the address on the link must not take all of it";
}

TEST(Rfc4301_5_2, PacketsOfATunnelAreItsOwnWhenItsPoliciesAreGone) {
  Gateway g;
  for (const std::uint32_t id : {1, 2, 3, 4}) g.registry().remove_policy(PolicyId{id});
  g.publish();
  EXPECT_TRUE(g.tables().tunnels) << "SAs of it may be there still";
  EXPECT_EQ(g.tables().tunnel_spd(kTun1), nullptr);
}

TEST(TunnelInterface, HasWhatItsTunnelBringsTheHost) {
  Gateway g;
  EXPECT_EQ(g(Origin::kDecrypted, kTun1, kFar1, kUsTun), punted(kTun1));
  EXPECT_EQ(g(Origin::kDecrypted, kTun1, kFar1, kUsLan), punted(kTun1)) << "an address of another interface";
  EXPECT_EQ(g(Origin::kDecrypted, kWan, kFar1, kUsLan), punted(kLan))
      << "an SA without an interface, as before";
  EXPECT_EQ(g(Origin::kDecrypted, kTun1, "192.0.2.2", "224.0.0.5", 89), punted(kTun1)) << "OSPF";
  EXPECT_EQ(g(Origin::kDecrypted, kTun1, "fe80::2", "ff02::5", 89), punted(kTun1)) << "OSPFv3";
  EXPECT_EQ(g(Origin::kDecrypted, kTun1, "fe80::2", kUsLink, 89), punted(kTun1));
  EXPECT_EQ(g(Origin::kDecrypted, kWan, "192.0.2.2", "224.0.0.5", 89), dropped(Drop::kNotForUs));
  EXPECT_EQ(g(Origin::kDecrypted, kTun1, "fe80::2", "2001:db8:b::9"), dropped(Drop::kMartianSource))
      << "no router forwards it";
  EXPECT_TRUE(g(Origin::kDecrypted, kTun1, kFar1, kInside).forwards());
}

TEST(TunnelInterface, SendsWhatTheHostSendsAndNothingThatTheKernelForwards) {
  Gateway g;
  EXPECT_EQ(g.policy(g(Origin::kHostTunnel, kTun1, kUsTun, kFar1)), 1u);
  EXPECT_EQ(g.policy(g(Origin::kHostTunnel, kTun1, kUsLan, "224.0.0.5", 89)), 1u)
      << "unnumbered: any of ours";
  EXPECT_EQ(g.policy(g(Origin::kHostTunnel, kTun1, kUsLink, "ff02::5", 89)), 2u);
  EXPECT_EQ(g.policy(g(Origin::kHostTunnel, kTun2, kUsTun, kFar1)), 3u) << "the kernel chose this interface";
  EXPECT_EQ(g(Origin::kHostTunnel, kTun1, kInside, kFar1), dropped(Drop::kNotFromHost));
  EXPECT_EQ(g(Origin::kHostTunnel, kTun1, "0.0.0.0", "224.0.0.22", 2), dropped(Drop::kMartianSource));
  g.registry().set_gateway(false);
  g.publish();
  EXPECT_EQ(g(Origin::kHostTunnel, kTun1, kUsTun, kFar1), dropped(Drop::kGatewayOff));
  EXPECT_EQ(g.inside(kFar1), dropped(Drop::kGatewayOff));
}

TEST(TunnelInterface, IsNoWayForEsp) {
  Gateway g;
  g.network.routes.push_back({prefix("192.0.2.128/25"), std::nullopt, kTun1});
  g.publish();
  EXPECT_EQ(g.tables().routes->find_outer(ip("192.0.2.200"), 0).reason, Drop::kTunnelLoop);
  EXPECT_TRUE(g.tables().routes->find_outer(ip("198.51.100.2"), 0));
}

SaRef sa(Direction direction, std::uint64_t id, std::uint32_t policy, InterfaceId interface) {
  SaOptions o;
  o.id = id;
  o.spi = Spi{static_cast<std::uint32_t>(0x1000 + id)};
  o.selectors = selectors("0.0.0.0/0", "0.0.0.0/0");
  SaSpec spec = *make_sa(direction, o);
  spec.policy = PolicyId{policy};
  spec.interface = interface;
  return std::make_shared<const SaSpec>(std::move(spec));
}

TEST(TunnelInterface, IsUpWhileThereIsAnOutboundSa) {
  Gateway g;
  EXPECT_FALSE(g.registry().tunnel(kOne).up);
  ASSERT_TRUE(g.registry().add_sa(sa(Direction::kIn, 1, 1, kOne)));
  EXPECT_FALSE(g.registry().tunnel(kOne).up);
  ASSERT_TRUE(g.registry().add_sa(sa(Direction::kOut, 2, 1, kOne)));
  EXPECT_TRUE(g.registry().tunnel(kOne).up);
  EXPECT_FALSE(g.registry().tunnel(kTwo).up);
  const std::uint16_t mtu = g.registry().tunnel(kOne).mtu;
  EXPECT_GT(mtu, 1400);
  EXPECT_LT(mtu, 1500);
  ASSERT_TRUE(g.registry().add_sa(sa(Direction::kOut, 3, 1, kOne)));  // a rekey
  g.registry().remove_sa(SaId{2});
  EXPECT_TRUE(g.registry().tunnel(kOne).up);
  g.registry().set_tunnel_mtus({{kOne, 1300}});
  EXPECT_EQ(g.registry().tunnel(kOne).mtu, 1300) << "SAs that are there follow the configuration";
  g.registry().set_tunnel_mtus({});
  EXPECT_EQ(g.registry().tunnel(kOne).mtu, mtu);
  g.registry().remove_sa(SaId{3});
  EXPECT_FALSE(g.registry().tunnel(kOne).up);
}

}  // namespace
}  // namespace simplon::dp::test

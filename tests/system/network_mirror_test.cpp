// SPDX-License-Identifier: Apache-2.0
// NetworkMirror against this machine's kernel: what `ip` changes is seen, what it is told is done.
#include "ctrl/linux/network_mirror.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <ranges>
#include <tuple>

#include "tests/system/own_namespace.h"

namespace simplon::ctrl {
namespace {

using dp::PortIndex;
using test::runs;
using test::shell;
using test::wait_for;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }
Prefix net(const char* text) { return *Prefix::parse(text); }

class Mirror : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(
        runs("ip link add p0 type veth peer name far0 && ip link add p1 type veth peer name far1 && "
             "ip link add other type veth peer name far2 && ip link set other up && ip link set far2 up && "
             "ip addr add 10.9.9.9/24 dev other && "
             "for i in p0 p1 far0 far1; do ip link set $i up; done"));
    auto opened = NetworkMirror::open({"p0", "p1"});
    ASSERT_TRUE(opened) << opened.error().what;
    mirror_ = std::move(*opened);
  }
  void TearDown() override {
    ASSERT_TRUE(runs("ip link del far0 2>/dev/null; ip link del p1 && ip link del other"));
  }

  template <class Done>
  bool follows(Done done) {
    return wait_for(mirror_->fd(), [&] {
      mirror_->poll();
      return done(mirror_->network());
    });
  }
  // 10.SECOND.a.b by p0, 250 for each a from 1 to `most`.
  static testing::AssertionResult many_routes(int second, int most) {
    return runs("for a in $(seq " + std::to_string(most) +
                "); do for b in $(seq 250); do echo route add 10." + std::to_string(second) +
                ".$a.$b/32 dev p0; done; done | ip -batch -");
  }
  static bool has(const dp::NetworkSpec& n, const dp::Route& r) {
    return std::ranges::find(n.routes, r) != n.routes.end();
  }
  static const dp::Route* route(const dp::NetworkSpec& n, const Prefix& p) {
    const auto found = std::ranges::find(n.routes, p, &dp::Route::prefix);
    return found == n.routes.end() ? nullptr : &*found;
  }
  std::unique_ptr<NetworkMirror> mirror_;
};

TEST_F(Mirror, MissingInterfaceIsNamed) {
  const auto opened = NetworkMirror::open({"p0", "nosuch"});
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().what.find("'nosuch'"), std::string::npos);
}

TEST_F(Mirror, FollowsAddressesOfPortsAndOfTheHost) {
  ASSERT_TRUE(runs("ip addr add 192.0.2.1/24 dev p0; ip addr add 2001:db8::1/64 dev p1 nodad"));
  EXPECT_TRUE(follows([](const dp::NetworkSpec& n) {
    const auto has = [&](const char* a, unsigned port) {
      const dp::LocalAddress want{ip(a), PortIndex{static_cast<std::uint16_t>(port)}};
      return std::ranges::find(n.addresses, want) != n.addresses.end();
    };
    return has("192.0.2.1", 0) && has("2001:db8::1", 1);
  }));
  const auto& all = mirror_->network().addresses;
  EXPECT_THAT(all, testing::Contains(dp::LocalAddress{ip("10.9.9.9"), std::nullopt})) << "of no port";
  for (const char* loopback : {"127.0.0.1", "::1"})
    EXPECT_THAT(all,
                testing::Not(testing::Contains(testing::Field(&dp::LocalAddress::address, ip(loopback)))));
  ASSERT_TRUE(runs("ip addr del 192.0.2.1/24 dev p0"));
  EXPECT_TRUE(follows([](const dp::NetworkSpec& n) {
    return std::ranges::find(n.addresses, ip("192.0.2.1"), &dp::LocalAddress::address) == n.addresses.end();
  }));
}

TEST_F(Mirror, FollowsRoutes) {
  ASSERT_TRUE(
      runs("ip addr add 192.0.2.1/24 dev p0; ip addr add 198.51.100.1/24 dev p1;"
           "ip route add 203.0.113.0/24 via 192.0.2.9 metric 5;"
           "ip route add blackhole 203.0.114.0/24;"
           "ip route add 203.0.115.0/24 via 10.9.9.1 dev other;"
           "ip route add 203.0.116.0/24 nexthop via 10.9.9.1 dev other nexthop via 198.51.100.7;"
           "ip route add 203.0.117.0/24 via 192.0.2.9 table 100;"
           "ip -6 addr add 2001:db8::1/64 dev p0 nodad; ip -6 route add default via 2001:db8::9;"
           "ip route add 203.0.118.0/24 via inet6 2001:db8::7 dev p0"));
  ASSERT_TRUE(follows([](const dp::NetworkSpec& n) { return route(n, net("203.0.118.0/24")) != nullptr; }));
  const dp::NetworkSpec& n = mirror_->network();
  EXPECT_TRUE(has(n, {net("192.0.2.0/24"), std::nullopt, PortIndex{0}, 0}));
  EXPECT_TRUE(has(n, {net("203.0.113.0/24"), ip("192.0.2.9"), PortIndex{0}, 5}));
  const dp::Route* blackhole = route(n, net("203.0.114.0/24"));
  ASSERT_NE(blackhole, nullptr);
  EXPECT_EQ(blackhole->kind, dp::RouteKind::kBlackhole);
  EXPECT_EQ(route(n, net("203.0.115.0/24")), nullptr);
  EXPECT_TRUE(has(n, {net("203.0.116.0/24"), ip("198.51.100.7"), PortIndex{1}, 0}));
  EXPECT_EQ(route(n, net("203.0.117.0/24")), nullptr);
  EXPECT_TRUE(has(n, {net("::/0"), ip("2001:db8::9"), PortIndex{0}, 1024}));
  EXPECT_TRUE(has(n, {net("203.0.118.0/24"), ip("2001:db8::7"), PortIndex{0}, 0}));
  ASSERT_TRUE(runs("ip route del 203.0.113.0/24; ip route del blackhole 203.0.114.0/24"));
  EXPECT_TRUE(follows([](const dp::NetworkSpec& m) { return route(m, net("203.0.113.0/24")) == nullptr; }));
}

TEST_F(Mirror, FollowsRoutesThatRefuseInBothFamilies) {
  ASSERT_TRUE(
      runs("for f in '-4 203.0.1' '-6 2001:db8:1'; do set -- $f; n=0;"
           "for k in blackhole unreachable prohibit throw; do n=$((n+1));"
           "if [ $1 = -4 ]; then ip route add $k $2$n.0/24 metric 7; else ip -6 route add $k $2$n::/48 "
           "metric 7; fi;"
           "done; done"));
  ASSERT_TRUE(follows([](const dp::NetworkSpec& n) { return route(n, net("2001:db8:14::/48")) != nullptr; }));
  const dp::RouteKind kinds[] = {dp::RouteKind::kBlackhole, dp::RouteKind::kUnreachable,
                                 dp::RouteKind::kProhibit, dp::RouteKind::kThrow};
  for (int i = 0; i < 4; ++i)
    for (const std::string& prefix :
         {"203.0.1" + std::to_string(i + 1) + ".0/24", "2001:db8:1" + std::to_string(i + 1) + "::/48"}) {
      const dp::Route* found = route(mirror_->network(), net(prefix.c_str()));
      ASSERT_NE(found, nullptr) << prefix;
      EXPECT_EQ(found->kind, kinds[i]) << prefix;
      EXPECT_EQ(found->metric, 7u) << prefix;
    }
  ASSERT_TRUE(runs("ip route del blackhole 203.0.11.0/24 && ip -6 route del prohibit 2001:db8:13::/48"));
  EXPECT_TRUE(follows([](const dp::NetworkSpec& n) {
    return route(n, net("203.0.11.0/24")) == nullptr && route(n, net("2001:db8:13::/48")) == nullptr;
  }));
  ASSERT_TRUE(
      runs("ip route flush type unreachable; ip route flush type prohibit; ip route flush type throw;"
           "for n in 1 2 4; do ip -6 route del 2001:db8:1$n::/48 metric 7; done"));
}

// By RTA_MULTIPATH and by next hop objects, with and without their being repeated in the route.
TEST_F(Mirror, FollowsAllNextHopsOfARoute) {
  const auto ways = [&](const char* prefix) {
    std::vector<std::tuple<std::string, unsigned, unsigned>> out;
    for (const dp::Route& r : mirror_->network().routes)
      if (r.prefix == net(prefix))
        out.emplace_back(r.gateway ? r.gateway->text() : "", static_cast<unsigned>(r.port), r.weight);
    return out;
  };
  using Ways = decltype(ways(""));
  for (const char* compat : {"1", "0"}) {
    SCOPED_TRACE(compat);
    ASSERT_TRUE(runs(std::string("sysctl -qw net.ipv4.nexthop_compat_mode=") + compat));
    ASSERT_TRUE(
        runs("ip addr add 192.0.2.1/24 dev p0; ip addr add 198.51.100.1/24 dev p1;"
             "ip -6 addr add 2001:db8::1/64 dev p0 nodad; ip -6 addr add 2001:db8:1::1/64 dev p1 nodad;"
             "ip route add 203.0.113.0/24 nexthop via 192.0.2.9 weight 3 nexthop via 198.51.100.9;"
             "ip -6 route add 2001:db8:9::/48 nexthop via 2001:db8::9 nexthop via 2001:db8:1::9 weight 2;"
             "ip nexthop add id 1 via 192.0.2.9 dev p0; ip nexthop add id 2 via 198.51.100.9 dev p1;"
             "ip nexthop add id 3 group 1,2/2,5; ip nexthop add id 4 blackhole;"
             "ip nexthop add id 5 via 2001:db8::9 dev p0; ip nexthop add id 6 via 2001:db8:1::9 dev p1;"
             "ip nexthop add id 7 group 5/6,1; ip route add 203.0.114.0/24 nhid 3;"
             "ip route add 203.0.115.0/24 nhid 2; ip -6 route add 2001:db8:a::/48 nhid 7;"
             "ip route add 203.0.116.0/24 nhid 4"));
    ASSERT_TRUE(follows([](const dp::NetworkSpec& n) {
      return route(n, net("203.0.116.0/24")) != nullptr && route(n, net("2001:db8:a::/48")) != nullptr;
    })) << shell("ip route; ip -6 route; ip nexthop");
    EXPECT_EQ(ways("203.0.113.0/24"), (Ways{{"192.0.2.9", 0, 3}, {"198.51.100.9", 1, 1}}));
    EXPECT_EQ(ways("2001:db8:9::/48"), (Ways{{"2001:db8::9", 0, 1}, {"2001:db8:1::9", 1, 2}}));
    EXPECT_EQ(ways("203.0.114.0/24"), (Ways{{"192.0.2.9", 0, 2}, {"198.51.100.9", 1, 5}}));
    EXPECT_EQ(ways("203.0.115.0/24"), (Ways{{"198.51.100.9", 1, 1}}));
    EXPECT_EQ(ways("2001:db8:a::/48"), (Ways{{"2001:db8::9", 0, 1}, {"2001:db8:1::9", 1, 1}}));
    EXPECT_EQ(route(mirror_->network(), net("203.0.116.0/24"))->kind, dp::RouteKind::kBlackhole);
    ASSERT_TRUE(runs("ip nexthop replace id 2 via 198.51.100.8 dev p1"));
    EXPECT_TRUE(follows([&](const dp::NetworkSpec&) {
      return ways("203.0.115.0/24") == Ways{{"198.51.100.8", 1, 1}} && ways("203.0.114.0/24").size() == 2;
    }));
    ASSERT_TRUE(runs("ip link set far1 down"));
    EXPECT_TRUE(follows([&](const dp::NetworkSpec&) {
      return ways("203.0.113.0/24") == Ways{{"192.0.2.9", 0, 3}} && ways("203.0.114.0/24").size() == 1 &&
             std::get<0>(ways("203.0.114.0/24")[0]) == "192.0.2.9";
    })) << "a way whose link is down is left out: "
        << shell("ip route");
    ASSERT_TRUE(
        runs("ip link set far1 up; ip nexthop flush; ip route flush root 203.0.0.0/8;"
             "ip addr flush dev p0; ip addr flush dev p1"));
  }
  ASSERT_TRUE(runs("sysctl -qw net.ipv4.nexthop_compat_mode=1"));
}

TEST_F(Mirror, FollowsMtusOfRoutes) {
  ASSERT_TRUE(
      runs("ip addr add 192.0.2.1/24 dev p0; ip route add 203.0.113.0/24 via 192.0.2.9 mtu 1300;"
           "ip route add 203.0.114.0/24 via 192.0.2.9 mtu lock 1200;"
           "ip -6 addr add 2001:db8::1/64 dev p0 nodad; ip -6 route add 2001:db8:9::/48 via 2001:db8::9 mtu "
           "1400"));
  EXPECT_TRUE(follows([](const dp::NetworkSpec& n) {
    const auto mtu = [&](const char* to) { return route(n, net(to)) ? route(n, net(to))->mtu : 0; };
    return mtu("203.0.113.0/24") == 1300 && mtu("203.0.114.0/24") == 1200 && mtu("2001:db8:9::/48") == 1400 &&
           mtu("192.0.2.0/24") == 0;
  }));
}

// The kernel takes the first of two that are no multipath route together.
TEST_F(Mirror, OfTwoRoutesOfOneMetricTheFirstCounts) {
  ASSERT_TRUE(
      runs("ip addr add 192.0.2.1/24 dev p0; ip route add 203.0.113.0/24 via 192.0.2.9;"
           "ip route append 203.0.113.0/24 via 192.0.2.8; ip route add 203.0.114.0/24 via 192.0.2.9"));
  ASSERT_TRUE(follows([](const dp::NetworkSpec& n) { return route(n, net("203.0.114.0/24")) != nullptr; }));
  const auto& routes = mirror_->network().routes;
  EXPECT_EQ(std::ranges::count(routes, net("203.0.113.0/24"), &dp::Route::prefix), 1);
  EXPECT_EQ(route(mirror_->network(), net("203.0.113.0/24"))->gateway, ip("192.0.2.9"));
}

TEST_F(Mirror, SaysWhatItDoesNotFollow) {
  EXPECT_EQ(mirror_->beyond(), NetworkMirror::Beyond{})
      << shell("ip rule; ip -6 rule; ip route; ip -6 route");
  for (const char* rule : {"from 192.0.2.7 table 100", "fwmark 1 table main", "to 203.0.113.0/24 blackhole",
                           "uidrange 1-2 table main", "not from 192.0.2.7 table main"}) {
    ASSERT_TRUE(runs(std::string("ip rule add pref 77 ") + rule));
    EXPECT_TRUE(follows([&](const dp::NetworkSpec&) { return mirror_->beyond().rules; })) << rule;
    ASSERT_TRUE(runs("ip rule del pref 77"));
    EXPECT_TRUE(follows([&](const dp::NetworkSpec&) { return !mirror_->beyond().rules; })) << rule;
  }
  ASSERT_TRUE(runs("ip -6 rule add pref 77 from 2001:db8::7 table 100"));
  EXPECT_TRUE(follows([&](const dp::NetworkSpec&) { return mirror_->beyond().rules; }));
  ASSERT_TRUE(runs("ip -6 rule del pref 77"));
  ASSERT_TRUE(runs("ip addr add 192.0.2.1/24 dev p0; ip route add 203.0.113.0/24 tos 0x10 via 192.0.2.9"));
  EXPECT_TRUE(follows([&](const dp::NetworkSpec&) { return mirror_->beyond().special_routes; }));
  EXPECT_EQ(route(mirror_->network(), net("203.0.113.0/24")), nullptr);
}

TEST_F(Mirror, AddsAndRemovesAndSaysNothingTwice) {
  for (int twice = 0; twice < 2; ++twice) {
    ASSERT_TRUE(mirror_->add_address(PortIndex{0}, ip("192.0.2.1"), 24));
    ASSERT_TRUE(mirror_->add_address(PortIndex{1}, ip("2001:db8::1"), 64));
    ASSERT_TRUE(mirror_->add_route({net("203.0.113.0/24"), ip("192.0.2.9"), PortIndex{0}, 7}));
    ASSERT_TRUE(mirror_->add_route({net("2001:db8:9::/48"), ip("2001:db8::9"), PortIndex{1}, 0}));
    ASSERT_TRUE(mirror_->add_route({net("203.0.119.0/24"), std::nullopt, PortIndex{1}, 0}));
    ASSERT_TRUE(mirror_->add_route({net("203.0.118.0/24"), ip("2001:db8::7"), PortIndex{1}, 0}));
  }
  EXPECT_NE(shell("ip addr show dev p0").find("192.0.2.1/24"), std::string::npos);
  EXPECT_NE(shell("ip -6 route").find("2001:db8:9::/48 via 2001:db8::9 dev p1"), std::string::npos);
  EXPECT_NE(shell("ip route").find("203.0.113.0/24 via 192.0.2.9 dev p0"), std::string::npos);
  EXPECT_NE(shell("ip route").find("203.0.118.0/24 via inet6 2001:db8::7 dev p1"), std::string::npos);
  ASSERT_TRUE(mirror_->add_route({net("203.0.113.0/24"), ip("192.0.2.8"), PortIndex{0}, 7}));
  const std::string routes = shell("ip route");
  EXPECT_NE(routes.find("203.0.113.0/24 via 192.0.2.8"), std::string::npos) << routes;
  EXPECT_EQ(routes.find("192.0.2.9"), std::string::npos) << routes;
  for (int twice = 0; twice < 2; ++twice) {
    ASSERT_TRUE(mirror_->remove_route({net("203.0.113.0/24"), ip("192.0.2.8"), PortIndex{0}, 7}));
    ASSERT_TRUE(mirror_->remove_address(PortIndex{0}, ip("192.0.2.1"), 24));
    ASSERT_TRUE(mirror_->remove_address(PortIndex{1}, ip("2001:db8::1"), 64));
  }
  EXPECT_EQ(shell("ip addr").find("192.0.2.1"), std::string::npos);
  const auto refused = mirror_->add_route({net("203.0.113.0/24"), ip("192.0.2.8"), PortIndex{0}, 0});
  ASSERT_FALSE(refused);  // its gateway is not on a link any more
  EXPECT_NE(refused.error().what.find("203.0.113.0/24"), std::string::npos) << refused.error().what;
}

TEST_F(Mirror, RoutesOfTheMachinesOwnStay) {
  ASSERT_TRUE(
      runs("ip route add default via 10.9.9.1 dev other && "
           "ip -6 addr add 2001:db8:99::9/64 dev other nodad && "
           "ip -6 route add default via 2001:db8:99::1 dev other"));
  ASSERT_TRUE(mirror_->add_address(PortIndex{0}, ip("192.0.2.1"), 24));
  ASSERT_TRUE(mirror_->add_address(PortIndex{0}, ip("2001:db8::1"), 64));
  for (const auto& [to, via] : {std::pair("0.0.0.0/0", "192.0.2.9"), std::pair("::/0", "2001:db8::9")}) {
    const auto refused = mirror_->add_route({net(to), ip(via), PortIndex{0}, 0});
    ASSERT_FALSE(refused) << to;
    EXPECT_NE(refused.error().what.find("leads to no port"), std::string::npos) << refused.error().what;
    EXPECT_TRUE(mirror_->add_route({net(to), ip(via), PortIndex{0}, 50})) << "beside it, by its metric";
    EXPECT_TRUE(mirror_->add_route({net(to), ip(via), PortIndex{0}, 50})) << "twice";
  }
  EXPECT_NE(shell("ip route").find("default via 10.9.9.1"), std::string::npos);
  EXPECT_NE(shell("ip -6 route").find("default via 2001:db8:99::1"), std::string::npos);
  ASSERT_TRUE(runs("ip route del default via 10.9.9.1"));
}

// The far end of the veth answers from a namespace of its own.
TEST_F(Mirror, ResolvesANextHop) {
  ASSERT_TRUE(
      runs("ip netns add netl-far && ip link set far0 netns netl-far && ip -n netl-far link set far0 up && "
           "ip -n netl-far addr add 192.0.2.9/24 dev far0 && "
           "ip -n netl-far addr add 2001:db8::9/64 dev far0 nodad && "
           "ip addr add 192.0.2.1/24 dev p0 && ip addr add 2001:db8::1/64 dev p0 nodad"));
  for (const char* hop : {"192.0.2.9", "2001:db8::9"}) {
    ASSERT_TRUE(mirror_->resolve(PortIndex{0}, ip(hop)));
    EXPECT_TRUE(follows([&](const dp::NetworkSpec& n) {
      return std::ranges::find(n.neighbours, ip(hop), &dp::Neighbour::address) != n.neighbours.end();
    })) << hop
        << "\n"
        << shell("ip neigh");
    ASSERT_TRUE(mirror_->resolve(PortIndex{0}, ip(hop)));  // known already
  }
  ASSERT_TRUE(runs("ip netns del netl-far"));
}

// The far end of the veth answers from a namespace of its own.
TEST_F(Mirror, ANeighbourInUseThatWasNotHeardOfForAWhileIsAsked) {
  ASSERT_TRUE(
      runs("ip netns add netl-far && ip link set far0 netns netl-far && ip -n netl-far link set far0 up && "
           "ip -n netl-far addr add 192.0.2.9/24 dev far0 && "
           "ip -n netl-far addr add 2001:db8::9/64 dev far0 nodad && "
           "ip addr add 192.0.2.1/24 dev p0 && ip addr add 2001:db8::1/64 dev p0 nodad"));
  ASSERT_TRUE(mirror_->watch_closely());
  for (const char* hop : {"192.0.2.9", "2001:db8::9"}) {
    SCOPED_TRACE(hop);
    const auto state = [&] { return shell(std::string("ip neigh show ") + hop + " dev p0"); };
    const auto becomes = [&](const std::string& what) {
      return wait_for(mirror_->fd(), [&] {
        mirror_->poll();
        return state().find(what) != std::string::npos;
      });
    };
    ASSERT_TRUE(mirror_->resolve(PortIndex{0}, ip(hop)));
    ASSERT_TRUE(becomes("REACHABLE")) << state();
    while (mirror_->poll()) {
    }
    const dp::NetworkSpec before = mirror_->network();
    ASSERT_TRUE(becomes("STALE")) << "without use, after " << shell("ip ntable show dev p0");
    EXPECT_FALSE(mirror_->poll());
    ASSERT_TRUE(mirror_->confirm({{PortIndex{1}, ip(hop)}}));
    EXPECT_NE(state().find("STALE"), std::string::npos) << "another port's";
    ASSERT_TRUE(mirror_->confirm({{PortIndex{0}, ip(hop)}}));
    EXPECT_TRUE(becomes("REACHABLE")) << state();
    EXPECT_EQ(mirror_->network(), before) << "a confirmation changes nothing";
    const std::string at = std::string(" ") + hop + " dev p0 ";
    ASSERT_TRUE(runs("ip neigh replace" + at + "lladdr 02:00:00:00:00:77 nud permanent"));
    EXPECT_TRUE(follows([&](const dp::NetworkSpec& n) {
      const dp::Neighbour want{ip(hop), PortIndex{0}, dp::Mac{2, 0, 0, 0, 0, 0x77}};
      return std::ranges::find(n.neighbours, want) != n.neighbours.end();
    }));
    ASSERT_TRUE(mirror_->confirm({{PortIndex{0}, ip(hop)}}));
    EXPECT_NE(state().find("PERMANENT"), std::string::npos) << "what the administrator said stays";
    ASSERT_TRUE(runs("ip neigh del" + at));
    EXPECT_TRUE(follows([&](const dp::NetworkSpec& n) {
      return std::ranges::find(n.neighbours, ip(hop), &dp::Neighbour::address) == n.neighbours.end();
    }));
  }
  ASSERT_TRUE(runs("ip netns del netl-far"));
}

// RFC 4861 §7.3.2: heard of from elsewhere it is STALE: sent to, and asked when it is used.
TEST_F(Mirror, ANeighbourThatSomebodyElseKnewIsUsedAtOnce) {
  const dp::Mac mac{2, 0, 0, 0, 0, 0x77}, other{2, 0, 0, 0, 0, 0x78};
  for (const char* hop : {"192.0.2.9", "2001:db8::9"}) {
    SCOPED_TRACE(hop);
    const auto state = [&] { return shell(std::string("ip neigh show ") + hop + " dev p0"); };
    ASSERT_TRUE(mirror_->add_neighbour({ip(hop), PortIndex{0}, mac}));
    const dp::Neighbour want{ip(hop), PortIndex{0}, mac};
    EXPECT_TRUE(follows([&](const dp::NetworkSpec& n) {
      return std::ranges::find(n.neighbours, want) != n.neighbours.end();
    }));
    EXPECT_NE(state().find("STALE"), std::string::npos) << state();
    ASSERT_TRUE(
        runs(std::string("ip neigh replace ") + hop + " dev p0 lladdr 02:00:00:00:00:77 nud permanent"));
    for (const dp::Mac& told : {mac, other}) {
      EXPECT_TRUE(mirror_->add_neighbour({ip(hop), PortIndex{0}, told}));
      EXPECT_NE(state().find("02:00:00:00:00:77"), std::string::npos) << "what the kernel knows stays";
      EXPECT_NE(state().find("PERMANENT"), std::string::npos) << state();
    }
  }
}

// RFC 3704 §2.4: what came out of a tunnel has no route back by its TAP.
TEST_F(Mirror, SourcesNeedARouteByAnyInterfaceAtMost) {
  ASSERT_TRUE(runs(
      "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.p0.rp_filter=1 net.ipv4.conf.p1.rp_filter=0"));
  ASSERT_TRUE(mirror_->watch_closely());
  EXPECT_EQ(shell("cat /proc/sys/net/ipv4/conf/p0/rp_filter /proc/sys/net/ipv4/conf/p1/rp_filter"), "2\n0\n");
}

// What is strict for all is so for each, but for a larger number of its own.
TEST_F(Mirror, StrictForAllIsNotStrictForPorts) {
  ASSERT_TRUE(runs("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.p0.rp_filter=0"));
  ASSERT_TRUE(mirror_->watch_closely());
  EXPECT_EQ(shell("cat /proc/sys/net/ipv4/conf/p0/rp_filter"), "2\n");
  ASSERT_TRUE(runs("sysctl -qw net.ipv4.conf.all.rp_filter=0"));
}

TEST_F(Mirror, NeighboursAreAskedInTheNameOfTheirLink) {
  ASSERT_TRUE(mirror_->watch_closely());
  EXPECT_EQ(shell("cat /proc/sys/net/ipv4/conf/p0/arp_announce"), "2\n");
}

TEST_F(Mirror, FollowsTheBroadcastAddressesOfItsNetworks) {
  ASSERT_TRUE(runs("ip addr add 192.0.2.1/24 brd + dev p0"));
  EXPECT_TRUE(follows([](const dp::NetworkSpec& n) {
    return std::ranges::find(n.broadcasts, ip("192.0.2.255")) != n.broadcasts.end();
  }));
  ASSERT_TRUE(runs("ip addr del 192.0.2.1/24 dev p0"));
  EXPECT_TRUE(follows([](const dp::NetworkSpec& n) {
    return std::ranges::find(n.broadcasts, ip("192.0.2.255")) == n.broadcasts.end();
  }));
}

// `p1` stands for a tunnel interface here; its link goes with the other end's.
const PortIndex kTunnel = dp::port_of(InterfaceId{3});

TEST_F(Mirror, RouteIntoATunnelInterfaceWithoutALinkComesBeforeAClearOne) {
  mirror_ = std::move(*NetworkMirror::open({"p0"}));
  mirror_->follow_tunnels({{kTunnel, "p1"}});
  ASSERT_TRUE(
      runs("ip addr add 192.0.2.1/24 dev p0; ip route add 203.0.113.0/24 dev p1;"
           "ip route add 203.0.113.0/24 via 192.0.2.9 metric 5; ip route add default via 192.0.2.9;"
           "ip -6 route add 2001:db8:1::/64 dev p1"));
  const auto leads_there = [](const dp::NetworkSpec& n) {
    return has(n, {net("203.0.113.0/24"), std::nullopt, kTunnel}) &&
           has(n, {net("2001:db8:1::/64"), std::nullopt, kTunnel, 1024});
  };
  EXPECT_TRUE(follows(leads_there));
  EXPECT_THAT(mirror_->network().tunnels, testing::ElementsAre(kTunnel));
  ASSERT_TRUE(runs("ip link set far1 down"));
  EXPECT_TRUE(follows([](const dp::NetworkSpec&) {
    return shell("ip route show dev p1").find("linkdown") != std::string::npos;
  }));
  EXPECT_TRUE(follows(leads_there)) << "without a link";
  EXPECT_THAT(mirror_->network().tunnels, testing::ElementsAre(kTunnel)) << "which is not to be set down";
}

TEST_F(Mirror, TunnelInterfaceThatWasDownForAMomentIsToldAsDown) {
  mirror_ = std::move(*NetworkMirror::open({"p0"}));
  mirror_->follow_tunnels({{kTunnel, "p1"}, {dp::port_of(InterfaceId{4}), "nosuch"}});
  EXPECT_TRUE(follows([](const dp::NetworkSpec& n) { return n.tunnels.size() == 1; }));
  ASSERT_TRUE(runs("ip link set p1 down && ip link set p1 up"));
  mirror_->poll();
  EXPECT_THAT(mirror_->network().tunnels, testing::IsEmpty());
  EXPECT_TRUE(mirror_->stale()) << "to be asked again at once";
  EXPECT_TRUE(follows([](const dp::NetworkSpec& n) { return n.tunnels.size() == 1; }));
}

TEST_F(Mirror, LostNoticesAreMadeUpFor) {
  // Far more changes than the socket holds, none of them read meanwhile.
  for (const int round : {1, 2}) ASSERT_TRUE(many_routes(round, 60));
  ASSERT_TRUE(runs("ip route flush dev p0 && ip addr add 192.0.2.77/24 dev p1"));
  EXPECT_TRUE(follows([](const dp::NetworkSpec& n) {
    return std::ranges::find(n.addresses, ip("192.0.2.77"), &dp::LocalAddress::address) != n.addresses.end();
  }));
  EXPECT_EQ(route(mirror_->network(), net("10.1.1.1/32")), nullptr);
}

// A whole BGP table takes long to read: what changes in it waits, a neighbour that a packet waits for does
// not.
TEST_F(Mirror, AfterALongReadRoutesWaitAndNeighboursDoNot) {
  ASSERT_TRUE(many_routes(1, 200));
  ASSERT_TRUE(follows([&](const dp::NetworkSpec& n) { return route(n, net("10.1.200.250/32")) != nullptr; }));
  const auto add = [&](int n, int last) {
    const Prefix to = net(("10.2." + std::to_string(n) + "." + std::to_string(last) + "/32").c_str());
    EXPECT_TRUE(mirror_->add_route({to, std::nullopt, PortIndex{0}, 0}));
    return to;
  };
  bool waits = false;  // unless this process stands still for longer than the pause
  Prefix late;
  for (int n = 0; n < 5 && !waits; ++n) {
    const Prefix first = add(n, 1);
    ASSERT_TRUE(follows([&](const dp::NetworkSpec& now) { return route(now, first) != nullptr; }));
    late = add(n, 2);
    waits = !mirror_->poll() && route(mirror_->network(), late) == nullptr;
  }
  EXPECT_TRUE(waits);
  const dp::Neighbour want{ip("192.0.2.9"), PortIndex{0}, dp::Mac{2, 0, 0, 0, 0, 0x77}};
  ASSERT_TRUE(mirror_->add_neighbour(want));
  EXPECT_TRUE(mirror_->poll());
  EXPECT_NE(std::ranges::find(mirror_->network().neighbours, want), mirror_->network().neighbours.end());
  EXPECT_TRUE(follows([&](const dp::NetworkSpec& n) { return route(n, late) != nullptr; }));
}

}  // namespace
}  // namespace simplon::ctrl

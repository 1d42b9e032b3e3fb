// SPDX-License-Identifier: Apache-2.0
// The gateway as a router that tells senders what became of their packets, and ICMP errors on their way
// through tunnels.
#include <gtest/gtest.h>
#include <rte_cycles.h>

#include <set>

#include "dp/worker/stage_icmp.h"
#include "tests/dp/icmp.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

using Tolds = std::vector<Told>;

IpAddress address(const char* text) { return *IpAddress::parse(text); }

// A site whose every destination outside is reached by one gateway.
NetworkSpec two_default_routes() {
  NetworkSpec out;
  out.addresses = {{address("198.18.1.1"), kLan},
                   {address("198.51.100.1"), kWan},
                   {address("2001:db8:a::1"), kLan},
                   {address("2001:db8:ffff::1"), kWan}};
  out.routes = {{Prefix::all(Family::kV4), address("198.51.100.254"), kWan},
                {Prefix::all(Family::kV6), address("2001:db8:ffff::254"), kWan},
                {*Prefix::parse("198.18.1.0/24"), address("198.18.1.254"), kLan},
                {*Prefix::parse("2001:db8:a::/64"), address("2001:db8:a::254"), kLan}};
  for (const auto& [a, p] : {std::pair{"198.51.100.254", kWan},
                             {"2001:db8:ffff::254", kWan},
                             {"198.18.1.254", kLan},
                             {"2001:db8:a::254", kLan}})
    out.neighbours.push_back({address(a), p, Mac{2, 0, 0, 0, 0, 9}});
  return out;
}

TEST(TokenBucket, GivesSoManyInASecond) {
  TokenBucket bucket(1000, 100);
  unsigned taken = 0;
  for (std::uint64_t now = 1'000'000; now < 1'002'000; ++now) taken += bucket.take(now);
  EXPECT_GE(taken, 200u);
  EXPECT_LE(taken, 211u) << "two seconds' and what was saved";
  TokenBucket none(1000, 0);
  EXPECT_FALSE(none.take(5'000'000));
}

TEST(Rfc1812_5_3_1, WhoseTtlEndsHereIsTold) {
  Lab lab(0, true);
  lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass, 1);
  lab.protect(selectors("::/0", "::/0"), Action::kBypass, 2);
  EXPECT_EQ(told(lab.pass(udp4("198.18.1.10", "203.0.113.5", 40, 0, 1), Origin::kProtected, kLan)),
            (Tolds{{"198.18.1.1", "198.18.1.10", 11, 0, 0}}));
  EXPECT_EQ(told(lab.pass(udp6("2001:db8:a::10", "2001:db8:ffff::77", 40, 1), Origin::kProtected, kLan)),
            (Tolds{{"2001:db8:a::1", "2001:db8:a::10", 3, 0, 0}}));
  // From outside: the address of the port that it came in at.
  EXPECT_EQ(told(lab.pass(udp4("203.0.113.5", "198.18.1.10", 40, 0, 1), Origin::kUnprotected, kWan)),
            (Tolds{{"198.51.100.1", "203.0.113.5", 11, 0, 0}}));
  EXPECT_EQ(lab.dropped(Drop::kTtlExpired), 3u);
  EXPECT_EQ(lab.worker().counters().icmp_errors, 3u);
}

TEST(Rfc1812_5_3_1, TracerouteThroughATunnelShowsBothGateways) {
  for (const Mix& mix : kMixes) {
    SCOPED_TRACE(mix.name);
    Pair pair({}, mix);
    const bool v4 = mix.inner_from[3] == '.';
    const auto probe = [&](std::uint8_t ttl) {
      return v4 ? udp4(mix.inner_from, mix.inner_to, 40, 0, ttl)
                : udp6(mix.inner_from, mix.inner_to, 40, ttl);
    };
    const unsigned type = v4 ? 11 : 3;
    EXPECT_EQ(told(pair.left.pass(probe(1), Origin::kProtected, kLan)),
              (Tolds{{v4 ? "198.18.1.1" : "2001:db8:a::1", mix.inner_from, type, 0, 0}}));
    // The far gateway's answer enters the SA that goes back.
    SaOptions back = pair.options;
    back.id = 2;
    back.spi = Spi{0x2002};
    back.from = pair.options.to, back.to = pair.options.from;
    back.selectors = selectors(mix.remote, mix.local);
    ASSERT_TRUE(pair.right.registry().add_sa(make_sa(Direction::kOut, back)));
    back.selectors = selectors(mix.local, mix.remote);
    ASSERT_TRUE(pair.left.registry().add_sa(make_sa(Direction::kIn, back)));
    const auto outer = pair.open(pair.seal(probe(2)));
    ASSERT_EQ(outer.size(), 1u);
    EXPECT_TRUE(told(outer).empty()) << "it is ESP";
    EXPECT_EQ(told(pair.left.pass(ip_of(outer[0]), Origin::kUnprotected, kWan)),
              (Tolds{{v4 ? "198.18.2.1" : "2001:db8:b::1", mix.inner_from, type, 0, 0}}));
  }
}

// What came out of an SA is quoted in the error: a BYPASS entry must not let it out in clear.
TEST(Rfc4301_5_1, AnErrorAboutWhatWasDecryptedNeverLeavesInClear) {
  Lab lab(0, true);
  lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass, 1);
  const auto expired = [&](Origin origin) {
    return told(lab.pass(udp4("203.0.113.5", "198.18.1.10", 40, 0, 1), origin, kWan));
  };
  EXPECT_TRUE(expired(Origin::kDecrypted).empty());
  EXPECT_EQ(lab.dropped(Drop::kTtlExpired), 1u);
  EXPECT_EQ(lab.worker().counters().icmp_errors, 0u);
  EXPECT_EQ(expired(Origin::kUnprotected).size(), 1u) << "the control: what came in clear is told";
}

TEST(Rfc1812_5_2_7_1, WithoutARouteTheNetworkIsUnreachable) {
  Lab lab(0, true);
  lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass, 1);
  lab.protect(selectors("::/0", "::/0"), Action::kBypass, 2);
  EXPECT_EQ(told(lab.pass(udp4("198.18.1.10", "192.0.2.1"), Origin::kProtected, kLan)),
            (Tolds{{"198.18.1.1", "198.18.1.10", 3, 0, 0}}));
  EXPECT_EQ(told(lab.pass(udp6("2001:db8:a::10", "2001:db8:9::9"), Origin::kProtected, kLan)),
            (Tolds{{"2001:db8:a::1", "2001:db8:a::10", 1, 0, 0}}));
  EXPECT_EQ(lab.dropped(Drop::kNoRoute), 2u);
  EXPECT_TRUE(told(lab.pass(icmp4("198.18.1.10", "192.0.2.1", 11, 0), Origin::kProtected, kLan)).empty())
      << "never about an ICMP error";
  EXPECT_TRUE(told(lab.pass(udp4("198.18.1.1", "192.0.2.1"), Origin::kProtected, kLan)).empty())
      << "nor to somebody who says that he is us";
  EXPECT_TRUE(lab.punted().empty());
}

// `ip route add blackhole|unreachable|prohibit|throw`: what the kernel would answer, from wherever the packet
// comes, with the default route beside it.
TEST(Rfc1812_5_2_7_1, RoutesThatRefuseAreObeyed) {
  struct Case {
    RouteKind kind;
    Drop reason;
    unsigned code4, code6;
    bool told;
  };
  for (const Case& c : {Case{RouteKind::kBlackhole, Drop::kRouteBlackhole, 0, 0, false},
                        Case{RouteKind::kUnreachable, Drop::kRouteUnreachable, 1, 0, true},
                        Case{RouteKind::kProhibit, Drop::kRouteProhibit, 13, 1, true},
                        Case{RouteKind::kThrow, Drop::kNoRoute, 0, 0, true}}) {
    SCOPED_TRACE(name(c.reason));
    Lab lab(0, true);
    lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass, 1);
    lab.protect(selectors("::/0", "::/0"), Action::kBypass, 2);
    NetworkSpec network = two_default_routes();
    lab.registry().set_network(network);
    ASSERT_TRUE(lab.registry().commit());
    const auto out4 = [&](Origin origin, PortIndex port) {
      return lab.pass(udp4("198.18.1.10", "203.0.113.5"), origin, port);
    };
    const auto out6 = [&] {
      return lab.pass(udp6("2001:db8:a::10", "2001:db8:9::9"), Origin::kProtected, kLan);
    };
    const auto in4 = [&](Origin origin) { return lab.pass(udp4("192.0.2.7", "198.18.9.9"), origin, kWan); };
    network.routes.push_back(
        {.prefix = *Prefix::parse("198.18.9.0/24"), .gateway = address("198.18.1.254"), .port = kLan});
    lab.registry().set_network(network);
    ASSERT_TRUE(lab.registry().commit());
    ASSERT_EQ(out4(Origin::kProtected, kLan).size() + out6().size() + in4(Origin::kUnprotected).size() +
                  in4(Origin::kDecrypted).size(),
              4u)
        << "the control: by the default routes";
    network.routes.pop_back();
    for (const char* prefix : {"203.0.113.0/24", "2001:db8:9::/48", "198.18.9.0/24"})
      network.routes.push_back({.prefix = *Prefix::parse(prefix), .gateway = {}, .kind = c.kind});
    lab.registry().set_network(network);
    ASSERT_TRUE(lab.registry().commit());
    const auto expected = [&](const char* from, const char* to, unsigned type, unsigned code) {
      return c.told ? Tolds{{from, to, type, code, 0}} : Tolds{};
    };
    EXPECT_EQ(told(out4(Origin::kProtected, kLan)), expected("198.18.1.1", "198.18.1.10", 3, c.code4));
    EXPECT_EQ(told(out6()), expected("2001:db8:a::1", "2001:db8:a::10", 1, c.code6));
    EXPECT_EQ(told(in4(Origin::kUnprotected)), expected("198.51.100.1", "192.0.2.7", 3, c.code4));
    EXPECT_TRUE(in4(Origin::kDecrypted).empty()) << "what came out of an SA is not told of in clear";
    EXPECT_EQ(lab.dropped(c.reason), 4u);
  }
}

// Of a packet that a policy protects both its own destination and the peer's address are asked for.
TEST(Rfc1812_5_2_7_1, RoutesThatRefuseHoldForTunnelsAndForWhatIsInThem) {
  for (const Mix& mix : kMixes)
    for (const char* refused : {mix.outer_to, mix.inner_to}) {
      SCOPED_TRACE(std::string(mix.name) + ", " + refused);
      Pair pair({}, mix);
      const bool v4 = mix.inner_from[3] == '.';
      const auto seal = [&] {
        return pair.left.pass(v4 ? udp4(mix.inner_from, mix.inner_to) : udp6(mix.inner_from, mix.inner_to),
                              Origin::kProtected, kLan);
      };
      NetworkSpec network = two_default_routes();
      pair.left.registry().set_network(network);
      ASSERT_TRUE(pair.left.registry().commit());
      ASSERT_EQ(seal().size(), 1u) << "the control";
      network.routes.push_back(
          {.prefix = Prefix::host(address(refused)), .gateway = {}, .kind = RouteKind::kBlackhole});
      pair.left.registry().set_network(network);
      ASSERT_TRUE(pair.left.registry().commit());
      EXPECT_TRUE(seal().empty());
      EXPECT_EQ(pair.left.dropped(Drop::kRouteBlackhole), 1u);
    }
}

// The SAs to a peer with two ways go by both, each by one.
TEST(Rfc2992, AnSaKeepsOneOfTheNextHopsOfItsPeer) {
  std::set<std::uint8_t> macs;
  for (std::uint32_t spi = 0x1001; spi < 0x1011; ++spi) {
    SaOptions options;
    options.spi = Spi{spi};
    Pair pair(options);
    NetworkSpec network = two_default_routes();
    Route other = network.routes[0];
    other.gateway = address("198.51.100.253");
    network.routes.push_back(other);
    network.neighbours.push_back({*other.gateway, kWan, Mac{2, 0, 0, 0, 0, 8}});
    pair.left.registry().set_network(network);
    ASSERT_TRUE(pair.left.registry().commit());
    std::set<std::uint8_t> own;
    for (const char* from : {"198.18.1.10", "198.18.1.11", "198.18.1.12", "198.18.1.13"})
      for (const Buffer& frame : pair.left.pass(udp4(from, "198.18.2.10"), Origin::kProtected, kLan))
        own.insert(frame[5]);
    EXPECT_EQ(own.size(), 1u);
    macs.merge(own);
  }
  EXPECT_EQ(macs.size(), 2u);
}

// `ip route add … mtu 1300`: of what is forwarded and of the path of a tunnel.
TEST(Rfc1191, AnMtuOfTheRouteHoldsForWhatIsForwardedAndForTunnels) {
  Pair pair;
  pair.left.protect(selectors("198.18.1.0/24", "203.0.113.0/24"), Action::kBypass, 2);
  NetworkSpec network = two_default_routes();
  network.routes[0].mtu = 1300;
  pair.left.registry().set_network(network);
  ASSERT_TRUE(pair.left.registry().commit());
  pair.left.registry().tick(Registry::Now(std::chrono::hours(1)));
  pair.left.registry().tick(Registry::Now(std::chrono::hours(1) + std::chrono::seconds(2)));
  EXPECT_EQ(pair.left.registry().counters(SaId{1})->mtu, 1300u);
  const auto large = [&](const char* to) {
    return told(pair.left.pass(with_df(udp4("198.18.1.10", to, 1290)), Origin::kProtected, kLan));
  };
  EXPECT_EQ(large("203.0.113.5"), (Tolds{{"198.18.1.1", "198.18.1.10", 3, 4, 1300}}));
  const Tolds inner = large("198.18.2.10");
  ASSERT_EQ(inner.size(), 1u);
  EXPECT_LT(inner[0].mtu, 1300u);
}

// RFC 1812 §4.3.2.4, §5.2.5: ports without addresses, the gateway's own on lo.
TEST(Rfc1812_4_3_2_4, WithoutAnAddressAtAPortTheErrorIsFromTheRoutersOwn) {
  Lab lab(0, true);
  lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass, 1);
  lab.protect(selectors("::/0", "::/0"), Action::kBypass, 2);
  NetworkSpec network = two_default_routes();
  network.addresses = {{address("fe80::1"), kLan},
                       {address("203.0.113.250"), std::nullopt},
                       {address("203.0.113.251"), std::nullopt},
                       {address("2001:db8:99::1"), std::nullopt}};
  lab.registry().set_network(network);
  ASSERT_TRUE(lab.registry().commit());
  EXPECT_EQ(told(lab.pass(udp4("198.18.1.10", "203.0.113.5", 40, 0, 1), Origin::kProtected, kLan)),
            (Tolds{{"203.0.113.250", "198.18.1.10", 11, 0, 0}}));
  EXPECT_EQ(told(lab.pass(udp6("2001:db8:a::10", "2001:db8:9::9", 40, 1), Origin::kProtected, kLan)),
            (Tolds{{"2001:db8:99::1", "2001:db8:a::10", 3, 0, 0}}));
}

TEST(Rfc4301_5_1, WhatThePoliciesDiscardIsToldOnlyWhereTheConfigurationSaysSo) {
  for (const bool prohibited : {false, true}) {
    Lab lab(0, true, {.prohibited = prohibited});
    lab.protect(selectors("198.18.1.0/24", "203.0.113.0/25"), Action::kDiscard, 1, 10);
    lab.protect(selectors("198.18.1.0/24", "198.18.1.0/24"), Action::kBypass, 2, 20);
    const Tolds expected = prohibited ? Tolds{{"198.18.1.1", "198.18.1.10", 3, 13, 0}} : Tolds{};
    EXPECT_EQ(told(lab.pass(udp4("198.18.1.10", "203.0.113.5"), Origin::kProtected, kLan)), expected);
    EXPECT_EQ(told(lab.pass(udp4("198.18.1.10", "203.0.113.200"), Origin::kProtected, kLan)), expected);
    EXPECT_EQ(told(lab.pass(udp6("2001:db8:a::10", "2001:db8:ffff::77"), Origin::kProtected, kLan)),
              (prohibited ? Tolds{{"2001:db8:a::1", "2001:db8:a::10", 1, 1, 0}} : Tolds{}));
    EXPECT_TRUE(lab.pass(udp4("203.0.113.5", "198.18.1.10"), Origin::kUnprotected, kWan).empty())
        << "nobody outside is told";
    EXPECT_EQ(lab.dropped(Drop::kPolicyDiscard), 2u);
    EXPECT_EQ(lab.dropped(Drop::kNoPolicy), 2u);
  }
}

TEST(Rfc4443_2_4, ErrorsAreLimitedKindByKind) {
  Lab lab(0, true, {.rate = 10});
  lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass, 1);
  const std::vector<Buffer> dying(32, udp4("198.18.1.10", "203.0.113.5", 40, 0, 1));
  EXPECT_EQ(told(lab.pass(dying, Origin::kProtected, kLan)).size(), 1u);
  EXPECT_EQ(lab.dropped(Drop::kTtlExpired), 32u);
  EXPECT_EQ(told(lab.pass(udp4("198.18.1.10", "192.0.2.1"), Origin::kProtected, kLan)).size(), 1u)
      << "a flood of one kind leaves the others alone";
}

TEST(Rfc1812_5_3_3, WhoseNextHopIsSilentIsToldThatTheHostIsUnreachable) {
  Lab lab(0, true);
  lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass, 1);
  EXPECT_TRUE(lab.pass(udp4("198.18.1.10", "198.51.100.77"), Origin::kProtected, kLan).size() == 1u)
      << "control";
  NetworkSpec silent;
  silent.addresses = {{*IpAddress::parse("198.18.1.1"), kLan}, {*IpAddress::parse("198.51.100.1"), kWan}};
  silent.routes = {{*Prefix::parse("198.18.1.0/24"), *IpAddress::parse("198.18.1.254"), kLan},
                   {*Prefix::parse("198.51.100.0/24"), std::nullopt, kWan}};
  silent.neighbours = {{*IpAddress::parse("198.18.1.254"), kLan, Mac{2, 0, 0, 0, 0, 9}}};
  lab.registry().set_network(silent);
  ASSERT_TRUE(lab.registry().commit());
  EXPECT_TRUE(lab.pass(udp4("198.18.1.10", "198.51.100.77"), Origin::kProtected, kLan).empty());
  Tolds answer;
  for (int i = 0; i < 3000 && answer.empty(); ++i) {
    rte_delay_ms(1);
    answer = told(lab.pass(std::vector<Buffer>{}, Origin::kProtected, kLan));
  }
  EXPECT_EQ(answer, (Tolds{{"198.18.1.1", "198.18.1.10", 3, 1, 0}}));
  EXPECT_EQ(lab.dropped(Drop::kNoNeighbour), 1u);
}

// An SA for DNS alone: ICMP is outside its selectors, but errors about the DNS that it carries belong to it.
struct Narrow {
  Narrow() {
    const auto mine = selectors("198.18.1.0/24", "198.18.2.0/24[udp/53]");
    const auto theirs = selectors("198.18.2.0/24[udp/53]", "198.18.1.0/24");
    left.protect(mine);
    right.protect(theirs);
    SaOptions o{.selectors = mine};
    EXPECT_TRUE(left.registry().add_sa(make_sa(Direction::kOut, o)));
    o.selectors = theirs;
    EXPECT_TRUE(right.registry().add_sa(make_sa(Direction::kIn, o)));
  }
  // What leaves on the right for an error on the left about an answer to a query; the answer is quoted.
  std::vector<Buffer> sent(const char* from, const char* to, const Buffer& quoted, std::uint8_t type = 3) {
    std::vector<Buffer> out;
    for (const Buffer& frame : left.pass(icmp4(from, to, type, 1, 0, quoted), Origin::kProtected, kLan))
      for (const Buffer& opened : right.pass(ip_of(frame), Origin::kUnprotected, kWan)) out.push_back(opened);
    return out;
  }
  Lab left{0, true}, right{1, false};
};

Buffer answer_of_dns() {
  Buffer p = udp4("198.18.2.10", "198.18.1.10", 40);
  store_be16(p.data() + 20, 53);
  return p;
}

TEST(Rfc4301_6_2, AnErrorFromInsideTakesTheSaOfThePacketThatItQuotes) {
  Narrow n;
  EXPECT_EQ(told(n.sent("198.18.1.7", "198.18.2.10", answer_of_dns())),
            (Tolds{{"198.18.1.7", "198.18.2.10", 3, 1, 0}}));
  EXPECT_EQ(n.sent("192.0.2.77", "198.18.2.10", answer_of_dns()).size(), 1u)
      << "from a router that no selector names";
  EXPECT_EQ(n.left.dropped(Drop::kNoPolicy), 0u);
  Buffer other = answer_of_dns();
  store_be16(other.data() + 20, 54);
  EXPECT_TRUE(n.sent("198.18.1.7", "198.18.2.10", other).empty()) << "about what the SA does not carry";
  EXPECT_TRUE(n.sent("198.18.1.7", "198.18.2.11", answer_of_dns()).empty()) << "to somebody else";
  EXPECT_TRUE(n.sent("198.18.1.7", "198.18.2.10", answer_of_dns(), 8).empty()) << "no error";
  EXPECT_EQ(n.left.dropped(Drop::kNoPolicy), 3u);
  n.left.registry().remove_sa(SaId{1});
  EXPECT_TRUE(n.sent("198.18.1.7", "198.18.2.10", answer_of_dns()).empty());
  EXPECT_TRUE(n.left.events().empty()) << "no SA is asked for on behalf of an error";
}

// Two customers with the same addresses, on two ports: each one's errors go by its own SA.
TEST(Rfc4301_6_2, WhichSaThatIsSaysTheSpdOfThePortThatTheErrorCameBy) {
  Lab left{0, true, {}, "", "guests"};
  SaOptions o{.selectors = selectors("198.18.1.0/24", "198.18.2.0/24")};
  for (const std::uint32_t id : {1u, 2u}) {
    ASSERT_TRUE(left.registry().add_policy({.id = PolicyId{id},
                                            .order = id,
                                            .action = Action::kProtect,
                                            .selectors = o.selectors,
                                            .spd = id == 2 ? "guests" : ""}));
    o.id = id, o.spi = Spi{0x1000 + id};
    auto sa = std::make_shared<SaSpec>(*make_sa(Direction::kOut, o));
    sa->policy = PolicyId{id};
    ASSERT_TRUE(left.registry().add_sa(sa));
  }
  ASSERT_TRUE(left.registry().commit());
  const Buffer error = icmp4("192.0.2.77", "198.18.2.10", 3, 1, 0, udp4("198.18.2.10", "198.18.1.10"));
  const auto by = [&](PortIndex port) {
    const auto out = left.pass(error, Origin::kProtected, port);
    return out.size() == 1 ? load_be32(ip_of(out[0]).data() + kIpv4Bytes) : 0;
  };
  EXPECT_EQ(by(kLan), 0x1001u);
  EXPECT_EQ(by(kVlan8), 0x1002u);
}

// What the gateway says about a packet is judged by the SPD of the port that the packet came by.
TEST(Rfc4301_6_2, TheGatewaysOwnErrorIsJudgedByTheSpdOfThePortOfThePacketThatItQuotes) {
  for (const bool own : {true, false}) {
    Lab left{0, true, {}, "other"};
    ASSERT_TRUE(left.registry().add_policy({.id = PolicyId{1},
                                            .order = 1,
                                            .action = Action::kBypass,
                                            .selectors = selectors("0.0.0.0/0", "0.0.0.0/0"),
                                            .spd = own ? "other" : ""}));
    ASSERT_TRUE(left.registry().commit());
    const Buffer expired = udp4("203.0.113.9", "198.18.1.10", 40, 0, 1);
    const bool by_vlan = !told(left.pass(expired, Origin::kUnprotected, kVlan7)).empty(),
               by_wan = !told(left.pass(expired, Origin::kUnprotected, kWan)).empty();
    EXPECT_EQ(by_vlan, own);
    EXPECT_EQ(by_wan, !own) << "the control";
  }
}

TEST(Rfc4301_6_2, ADiscardThatNamesIcmpIsObeyed) {
  Narrow n;
  n.left.protect(selectors("198.18.1.0/24[icmp]", "198.18.2.0/24[icmp]"), Action::kDiscard, 9, 1);
  EXPECT_TRUE(n.sent("198.18.1.7", "198.18.2.10", answer_of_dns()).empty());
  EXPECT_EQ(n.left.dropped(Drop::kPolicyDiscard), 1u);
}

TEST(Rfc4301_6_2, AnErrorOutOfAnSaIsCheckedByThePacketThatItQuotes) {
  // The sender lets everything into the SA, the receiver has it for DNS alone.
  Lab left(0, true), right(1, false);
  left.protect(selectors("0.0.0.0/0", "0.0.0.0/0"));
  const auto theirs = selectors("198.18.2.0/24[udp/53]", "198.18.1.0/24");
  right.protect(theirs);
  ASSERT_TRUE(
      left.registry().add_sa(make_sa(Direction::kOut, {.selectors = selectors("0.0.0.0/0", "0.0.0.0/0")})));
  ASSERT_TRUE(right.registry().add_sa(make_sa(Direction::kIn, {.selectors = theirs})));
  const auto arrives = [&](const Buffer& inner) {
    const auto frames = left.pass(inner, Origin::kProtected, kLan);
    EXPECT_EQ(frames.size(), 1u);
    return right.pass(ip_of(frames.at(0)), Origin::kUnprotected, kWan).size() == 1;
  };
  EXPECT_TRUE(arrives(icmp4("203.0.113.9", "198.18.2.10", 3, 1, 0, answer_of_dns())));
  EXPECT_FALSE(arrives(icmp4("203.0.113.9", "198.18.2.10", 8, 0, 0, answer_of_dns()))) << "no error";
  EXPECT_FALSE(arrives(icmp4("203.0.113.9", "198.18.2.99", 3, 1, 0, answer_of_dns())))
      << "to another host of ours";
  EXPECT_FALSE(arrives(icmp4("203.0.113.9", "198.18.2.10", 3, 1, 0, udp4("198.18.2.10", "198.18.1.10"))))
      << "about another service";
  EXPECT_FALSE(arrives(
      icmp4("203.0.113.9", "198.18.2.10", 3, 1, 0, udp4("198.18.1.10", "198.18.2.10", 40, 0, 64, 53))))
      << "about a packet that we received, not sent";
  EXPECT_EQ(right.dropped(Drop::kSelectorMismatch), 4u);
}

// ESP of ours, as a router on its way quotes it.
Buffer too_big(const char* router, const Buffer& esp, std::uint16_t mtu, std::size_t quote = 28) {
  const bool v4 = esp[0] >> 4 == 4;
  const Buffer part(esp.begin(), esp.begin() + static_cast<std::ptrdiff_t>(std::min(quote, esp.size())));
  const std::string us = source_of(esp.data(), v4).text();
  return v4 ? icmp4(router, us.c_str(), 3, 4, mtu, part) : icmp6(router, us.c_str(), 2, 0, mtu, part);
}

TEST(Rfc4301_8_2, ARouterThatQuotesOurEspIsHeard) {
  for (const Mix& mix : {kMixes[0], kMixes[2]})
    for (const bool udp : {false, true}) {
      SCOPED_TRACE(std::string(mix.name) + (udp ? " udp" : ""));
      SaOptions options;
      if (udp) options.udp = UdpPorts{Port{4500}, Port{4500}};
      Pair pair(options, mix);
      const Buffer esp = pair.seal(udp4(mix.inner_from, mix.inner_to));
      const bool v4 = esp[0] >> 4 == 4;
      const char* router = v4 ? "203.0.113.9" : "2001:db8:ffff::9";
      const std::size_t quote = (v4 ? 20u : 40u) + (udp ? 8u : 0u) + 8u;
      const auto said = [&](const Buffer& message) {
        EXPECT_TRUE(pair.left.pass(message, Origin::kUnprotected, kWan).empty());
        return pair.left.events();
      };
      EXPECT_TRUE(said(too_big(router, esp, 1300, quote - 1)).empty()) << "no sequence number in it";
      const auto events = said(too_big(router, esp, 1300, quote));
      ASSERT_EQ(events.size(), 1u);
      EXPECT_EQ(events[0].kind, WorkerEvent::Kind::kPathMtu);
      EXPECT_EQ(events[0].spi, 0x1001u);
      EXPECT_EQ(events[0].sequence, 1u);
      EXPECT_EQ(events[0].mtu, 1300);
      EXPECT_EQ(events[0].destination, pair.options.to);
      EXPECT_EQ(pair.left.dropped(Drop::kPathMtu), 1u);
      EXPECT_TRUE(said(too_big(router, esp, 1300, quote)).empty()) << "at most four a second";
      // Not about ESP of ours, or not to us.
      Buffer other = esp;
      other[v4 ? 15 : 23] ^= 0x40;
      EXPECT_TRUE(said(too_big(router, other, 1300, quote)).empty());
    }
}

// RFC 792 asks a router for 64 bits behind the IP header alone: of ESP in UDP that is no SPI and no number.
// What else stands there everybody knows, see path_mtu_notices.h.
TEST(Rfc4301_8_2, ARouterThatQuotesPortsAloneIsNotBelieved) {
  SaOptions options;
  options.udp = UdpPorts{Port{4500}, Port{4500}};
  Pair pair(options);
  const Buffer esp = pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  EXPECT_TRUE(pair.left.pass(too_big("203.0.113.9", esp, 576, 28), Origin::kUnprotected, kWan).empty());
  EXPECT_TRUE(pair.left.events().empty());
  EXPECT_EQ(pair.left.dropped(Drop::kPathMtu), 0u);
  pair.left.pass(too_big("203.0.113.9", esp, 1300, 36), Origin::kUnprotected, kWan);
  EXPECT_EQ(pair.left.events().size(), 1u) << "the control";
}

TEST(Rfc4301_8_2, TheSaThenTellsInsideWhatFits) {
  Pair pair;
  const Buffer esp = pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  pair.left.pass(too_big("203.0.113.9", esp, 1300), Origin::kUnprotected, kWan);
  const auto events = pair.left.events();
  ASSERT_EQ(events.size(), 1u);
  ASSERT_TRUE(pair.left.registry().learn_path_mtu(Spi{events[0].spi}, events[0].destination,
                                                  events[0].sequence, events[0].mtu));
  EXPECT_EQ(told(pair.left.pass(with_df(udp4("198.18.1.10", "198.18.2.10", 1272)), Origin::kProtected, kLan)),
            (Tolds{{"198.18.1.1", "198.18.1.10", 3, 4, 1246}}));
  EXPECT_EQ(pair.left.pass(udp4("198.18.1.10", "198.18.2.10", 1472), Origin::kProtected, kLan).size(), 2u);
}

}  // namespace
}  // namespace simplon::dp::test

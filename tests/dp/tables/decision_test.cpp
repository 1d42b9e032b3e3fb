// SPDX-License-Identifier: Apache-2.0
// RFC 4301 §5.1 and §5.2 for every place that a clear packet can come from, against every action of the SPD.
#include <gtest/gtest.h>

#include <set>

#include "dp/tables/tables.h"

namespace simplon::dp {
namespace {

using Kind = Decision::Kind;
const PortIndex kLan{0}, kWan{1};

const char *const kInside = "198.18.1.10", *const kInside2 = "198.18.3.10", *const kOutside = "203.0.113.9",
                  *const kUsLan = "198.18.1.1", *const kUsWan = "198.51.100.1", *const kNowhere = "192.0.2.1";

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

// A gateway with one policy (or none) that covers everything in both directions.
class Site {
 public:
  explicit Site(std::optional<Action> action, PolicyDirection direction = PolicyDirection::kBoth) {
    std::vector<Spd::Input> inputs;
    for (const char* all : {"0.0.0.0/0", "::/0"})
      if (action)
        inputs.push_back({{.id = PolicyId{1},
                           .direction = direction,
                           .action = *action,
                           .selectors = {{*TrafficSelector::parse(all)}, {*TrafficSelector::parse(all)}}},
                          5});
    set(std::move(inputs));
  }
  explicit Site(std::vector<Spd::Input> inputs) { set(std::move(inputs)); }
  Site& off() {
    tables_.gateway_on = false;
    return *this;
  }
  Decision operator()(Origin origin, PortIndex port, const char* source, const char* destination,
                      std::uint8_t protocol = kTcp, std::uint16_t sport = 1000,
                      std::uint16_t dport = 2000) const {
    return decide(tables_, {.source = ip(source),
                            .destination = ip(destination),
                            .sport = sport,
                            .dport = dport,
                            .protocol = protocol,
                            .origin = origin,
                            .port = port});
  }
  Decision protected_port(const char* source, const char* destination) const {
    return (*this)(Origin::kProtected, kLan, source, destination);
  }
  Decision decrypted(const char* source, const char* destination) const {
    return (*this)(Origin::kDecrypted, kWan, source, destination);
  }
  Decision clear(const char* source, const char* destination) const {
    return (*this)(Origin::kUnprotected, kWan, source, destination);
  }
  Decision host(const char* source, const char* destination) const {
    return (*this)(Origin::kHostUnprotected, kWan, source, destination);
  }
  Decision decide_flow(const Flow& flow) const { return decide(tables_, flow); }
  Side egress(const Decision& d) const { return tables_.routes->next_hop(d.index).side; }

 private:
  void set(std::vector<Spd::Input> inputs) {
    NetworkSpec network;
    network.addresses = {
        {ip(kUsLan), kLan}, {ip(kUsWan), kWan}, {ip("2001:db8:ffff::1"), kWan}, {ip("2001:db8:a::1"), kLan}};
    network.routes = {{*Prefix::parse("198.18.0.0/15"), std::nullopt, kLan},
                      {*Prefix::parse("203.0.113.0/24"), ip("198.51.100.254"), kWan},
                      {*Prefix::parse("2001:db8:a::/48"), std::nullopt, kLan},
                      {*Prefix::parse("2001:db8:f::/48"), ip("fe80::1"), kWan},
                      {*Prefix::parse("169.254.0.0/16"), std::nullopt, kWan},
                      {*Prefix::parse("fe80::/64"), std::nullopt, kWan},
                      {*Prefix::parse("239.1.0.0/16"), std::nullopt, kLan},
                      {*Prefix::parse("ff3e::/16"), std::nullopt, kLan},
                      {*Prefix::parse("239.9.0.0/16"), std::nullopt, kWan}};
    network.broadcasts = {ip("198.51.100.255"), ip("198.19.255.255")};
    tables_.routes = std::move(*Routes::build(network, {{Mac{2, 0, 0, 0, 0, 1}, Side::kProtected, 1500},
                                                        {Mac{2, 0, 0, 0, 0, 2}, Side::kUnprotected, 1500}}));
    tables_.spd = std::make_shared<const Spd>(std::move(inputs));
  }
  Tables tables_;
};

Decision dropped(Drop reason) { return {.kind = Kind::kDrop, .reason = reason}; }
Decision punted(PortIndex port) { return {.kind = Kind::kPunt, .port = port}; }
Decision sent(PortIndex port) { return {.kind = Kind::kSend, .port = port}; }
const Decision kProtectedBySlot5{.kind = Kind::kProtect, .index = 5};

const std::optional<Action> kEvery[] = {std::nullopt, Action::kDiscard, Action::kBypass, Action::kProtect};

// 1. To the gateway itself.
TEST(Rfc4301_5_2, ToUsFromTheProtectedSideIsTheHosts) {
  for (const auto& action : kEvery) {
    EXPECT_EQ(Site(action).protected_port(kInside, kUsLan), punted(kLan));
    EXPECT_EQ(Site(action).protected_port(kInside, kUsWan), punted(kLan))
        << "the TAP of the port, whose MAC the frame has and whose routes its source";
    EXPECT_EQ(Site(action).decrypted(kOutside, kUsLan), punted(kLan)) << "its SA's selectors were checked";
  }
}

TEST(Rfc4301_5_2, ToUsInClearIsForTheInboundSpd) {
  EXPECT_EQ(Site(Action::kBypass).clear(kOutside, kUsWan), punted(kWan));
  EXPECT_EQ(Site(Action::kBypass).clear(kOutside, kUsLan), punted(kWan));
  EXPECT_EQ(Site(Action::kProtect).clear(kOutside, kUsWan), dropped(Drop::kClearNotAllowed));
  EXPECT_EQ(Site(Action::kDiscard).clear(kOutside, kUsWan), dropped(Drop::kPolicyDiscard));
  EXPECT_EQ(Site(std::nullopt).clear(kOutside, kUsWan), dropped(Drop::kNoPolicy));
  EXPECT_EQ(Site(Action::kBypass, PolicyDirection::kOut).clear(kOutside, kUsWan), dropped(Drop::kNoPolicy))
      << "the other direction's";
  EXPECT_EQ(Site(Action::kProtect).clear(kOutside, kUsLan), dropped(Drop::kClearNotAllowed))
      << "an inner address of ours is no way round";
}

TEST(Rfc4301_4_4_1, IkeToUsNeedsNoPolicy) {
  for (const auto& action : kEvery)
    for (const std::uint16_t port : {500, 4500}) {
      EXPECT_EQ(Site(action)(Origin::kUnprotected, kWan, kOutside, kUsWan, kUdp, 30000, port), punted(kWan));
      EXPECT_NE(Site(action)(Origin::kUnprotected, kWan, kOutside, kInside, kUdp, 500, port).kind,
                Kind::kPunt)
          << "to us, not through us";
    }
  EXPECT_EQ(Site(std::nullopt)(Origin::kUnprotected, kWan, kOutside, kUsWan, kTcp, 500, 500),
            dropped(Drop::kNoPolicy));
  EXPECT_EQ(Site(std::nullopt)(Origin::kUnprotected, kWan, kOutside, kUsWan, kUdp, 500, 501),
            dropped(Drop::kNoPolicy));
  EXPECT_EQ(Site(std::nullopt)(Origin::kUnprotected, kWan, kOutside, kUsWan, kUdp, 4500, 53),
            dropped(Drop::kNoPolicy))
      << "the source port opens nothing";
}

TEST(Rfc4861, NeighbourDiscoveryIsTheLinksOwn) {
  for (const auto& action : kEvery)
    for (std::uint16_t type = 133; type <= 137; ++type) {
      const auto code = static_cast<std::uint16_t>(type << 8);
      const auto nd = [&](Origin origin, PortIndex port, const char* to) {
        const bool ours = origin == Origin::kHostUnprotected || origin == Origin::kHostProtected;
        return Site(action)(origin, port, ours ? "2001:db8:ffff::1" : "2001:db8:f::9", to, kIcmpv6, code,
                            code);
      };
      for (const char* to : {"ff02::1:ff00:1", "2001:db8:ffff::1", "fe80::5"}) {
        EXPECT_EQ(nd(Origin::kUnprotected, kWan, to), punted(kWan));
        EXPECT_EQ(nd(Origin::kProtected, kLan, to), punted(kLan));
        EXPECT_EQ(nd(Origin::kHostUnprotected, kWan, to), sent(kWan));
        EXPECT_EQ(nd(Origin::kHostProtected, kLan, to), sent(kLan));
        // Out of a tunnel it is a forgery: a peer must not tell us who our neighbours are.
        EXPECT_EQ(nd(Origin::kDecrypted, kWan, to),
                  dropped(ip(to).is_link_local() ? Drop::kMartianDestination : Drop::kNotForUs))
            << to;
      }
    }
  for (const std::uint16_t type : {128, 132, 138}) {
    const auto code = static_cast<std::uint16_t>(type << 8);
    EXPECT_EQ(Site(std::nullopt)(Origin::kUnprotected, kWan, "2001:db8:f::9", "2001:db8:ffff::1", kIcmpv6,
                                 code, code),
              dropped(Drop::kNoPolicy));
  }
}

// In transit they are ICMPv6 like any other: a policy that lets nothing pass lets them not pass either.
TEST(Rfc4861, DiscoveryMessagesToOthersOrFromOthersAreForTheSpd) {
  for (std::uint16_t type = 133; type <= 137; ++type) {
    const auto code = static_cast<std::uint16_t>(type << 8);
    const auto nd = [&](std::optional<Action> action, Origin origin, PortIndex port, const char* from,
                        const char* to) { return Site(action)(origin, port, from, to, kIcmpv6, code, code); };
    const char *const inside = "2001:db8:a::10", *const outside = "2001:db8:f::9";
    EXPECT_EQ(nd(std::nullopt, Origin::kUnprotected, kWan, outside, inside), dropped(Drop::kNoPolicy));
    EXPECT_EQ(nd(Action::kProtect, Origin::kUnprotected, kWan, outside, inside),
              dropped(Drop::kClearNotAllowed));
    EXPECT_EQ(nd(Action::kProtect, Origin::kProtected, kLan, inside, outside), kProtectedBySlot5);
    for (const auto& action : kEvery)
      for (const char* to : {outside, "ff0e::1"})
        EXPECT_EQ(nd(action, Origin::kHostUnprotected, kWan, inside, to), dropped(Drop::kNotFromHost))
            << "the kernel forwards it: it is not ours";
    for (const char* ours : {"::", "fe80::5", "2001:db8:ffff::1"})
      EXPECT_EQ(nd(std::nullopt, Origin::kHostUnprotected, kWan, ours, outside), sent(kWan));
  }
  const auto code = static_cast<std::uint16_t>(135 << 8);
  EXPECT_EQ(Site(std::nullopt)(Origin::kHostUnprotected, kWan, kUsWan, kOutside, kIcmpv6, code, code),
            dropped(Drop::kNoPolicy))
      << "IPv4 has no neighbour discovery";
}

TEST(Rfc4301_4_4_1, MulticastIsNeverForwarded) {
  for (const auto& action : kEvery)
    for (const char* to : {"224.0.0.5", "239.1.2.3", "255.255.255.255", "ff02::5", "ff05::2", "ff0e::1"}) {
      const char* from = ip(to).is_v4() ? kOutside : "2001:db8:f::9";
      const bool link = std::set<std::string>{"224.0.0.5", "ff02::5", "255.255.255.255"}.contains(to);
      EXPECT_EQ(Site(action).protected_port(from, to), punted(kLan)) << to;
      EXPECT_EQ(Site(action).clear(from, to), link ? punted(kWan) : dropped(Drop::kNotForUs)) << to;
      EXPECT_EQ(Site(action).decrypted(from, to), dropped(Drop::kNotForUs))
          << "the unprotected link's TAP is not its place: " << to;
    }
}

// 2. From the protected side.
TEST(Rfc4301_5_1, BetweenProtectedPortsNoBoundaryIsCrossed) {
  for (const auto& action : kEvery)
    for (const bool off : {false, true}) {
      Site site(action);
      if (off) site.off();
      for (const Decision& d : {site.protected_port(kInside, kInside2), site.decrypted(kOutside, kInside)}) {
        EXPECT_EQ(d.kind, Kind::kForward);
        EXPECT_EQ(site.egress(d), Side::kProtected);
      }
    }
}

TEST(Rfc4301_5_1, OutwardsTheOutboundSpdDecides) {
  for (const auto& from :
       {&Site::protected_port, &Site::decrypted}) {  // decrypted and out again: a hub of tunnels
    const Site bypass(Action::kBypass);
    const Decision forwarded = (bypass.*from)(kInside, kOutside);
    EXPECT_EQ(forwarded.kind, Kind::kForward);
    EXPECT_EQ(bypass.egress(forwarded), Side::kUnprotected);
    EXPECT_EQ((Site(Action::kProtect).*from)(kInside, kOutside), kProtectedBySlot5);
    EXPECT_EQ((Site(Action::kDiscard).*from)(kInside, kOutside), dropped(Drop::kPolicyDiscard));
    EXPECT_EQ((Site(std::nullopt).*from)(kInside, kOutside), dropped(Drop::kNoPolicy));
    EXPECT_EQ((Site(Action::kBypass, PolicyDirection::kIn).*from)(kInside, kOutside),
              dropped(Drop::kNoPolicy));
  }
}

TEST(Rfc4301_5_1, ProtectedTrafficNeedsNoRouteOfItsInnerDestination) {
  EXPECT_EQ(Site(Action::kProtect).protected_port(kInside, kNowhere), kProtectedBySlot5);
  EXPECT_EQ(Site(Action::kBypass).protected_port(kInside, kNowhere), dropped(Drop::kNoRoute));
  EXPECT_EQ(Site(Action::kDiscard).protected_port(kInside, kNowhere), dropped(Drop::kPolicyDiscard));
  EXPECT_EQ(Site(std::nullopt).protected_port(kInside, kNowhere), dropped(Drop::kNoPolicy));
}

// 3. In clear from the unprotected side.
TEST(Rfc4301_5_2, ThroughUsInClearTheInboundSpdDecides) {
  const Site bypass(Action::kBypass);
  const Decision inwards = bypass.clear(kOutside, kInside);
  EXPECT_EQ(inwards.kind, Kind::kForward);
  EXPECT_EQ(bypass.egress(inwards), Side::kProtected);
  for (const char* to : {kInside, kOutside, kNowhere}) {
    EXPECT_EQ(Site(Action::kProtect).clear(kOutside, to), dropped(Drop::kClearNotAllowed));
    EXPECT_EQ(Site(Action::kDiscard).clear(kOutside, to), dropped(Drop::kPolicyDiscard));
    EXPECT_EQ(Site(std::nullopt).clear(kOutside, to), dropped(Drop::kNoPolicy));
  }
}

TEST(Rfc4301_5_2, InAndOutAgainOnTheUnprotectedSideAsksBothSpds) {
  const auto all = [] {
    return Selectors{{*TrafficSelector::parse("0.0.0.0/0")}, {*TrafficSelector::parse("0.0.0.0/0")}};
  };
  const auto site = [&](Action out) {
    return Site(
        {{{.id = PolicyId{1},
           .direction = PolicyDirection::kIn,
           .action = Action::kBypass,
           .selectors = all()},
          1},
         {{.id = PolicyId{2}, .direction = PolicyDirection::kOut, .action = out, .selectors = all()}, 5}});
  };
  EXPECT_EQ(site(Action::kBypass).clear(kOutside, kOutside).kind, Kind::kForward);
  EXPECT_EQ(site(Action::kBypass).clear(kOutside, kNowhere), dropped(Drop::kNoRoute));
  EXPECT_EQ(site(Action::kDiscard).clear(kOutside, kOutside), dropped(Drop::kPolicyDiscard));
  EXPECT_EQ(site(Action::kProtect).clear(kOutside, kOutside), kProtectedBySlot5);
}

// 4. From the gateway's own kernel.
TEST(Rfc4301_5_1, WhatTheHostSendsOutwardsIsForTheOutboundSpd) {
  EXPECT_EQ(Site(Action::kBypass).host(kUsWan, kOutside), sent(kWan));
  EXPECT_EQ(Site(Action::kProtect).host(kUsWan, kOutside), kProtectedBySlot5);
  EXPECT_EQ(Site(Action::kDiscard).host(kUsWan, kOutside), dropped(Drop::kPolicyDiscard));
  EXPECT_EQ(Site(std::nullopt).host(kUsWan, kOutside), dropped(Drop::kNoPolicy));
}

TEST(Rfc4301_4_4_1, IkeOfOursLeavesWhateverThePolicies) {
  for (const auto& action : kEvery)
    for (const std::uint16_t port : {500, 4500})
      EXPECT_EQ(Site(action)(Origin::kHostUnprotected, kWan, kUsWan, kOutside, kUdp, port, 30000),
                sent(kWan));
  EXPECT_EQ(Site(std::nullopt)(Origin::kHostUnprotected, kWan, kInside, kOutside, kUdp, 500, 500),
            dropped(Drop::kNotFromHost))
      << "not of ours";
  EXPECT_EQ(Site(std::nullopt)(Origin::kHostUnprotected, kWan, kUsWan, kOutside, kTcp, 500, 500),
            dropped(Drop::kNoPolicy));
}

// Whoever makes the kernel forward (ip_forward, a mute that is gone) must not have it pass for the host: not
// into the protected network in clear, and not into a tunnel under a protected host's name.
TEST(Rfc4301_5_2, WhatTheKernelForwardsIsNeverTheHostsOwn) {
  for (const auto& action : kEvery) {
    for (const char* from : {kOutside, kInside, kNowhere}) {
      EXPECT_EQ(Site(action)(Origin::kHostProtected, kLan, from, kInside2), dropped(Drop::kNotFromHost));
      EXPECT_EQ(Site(action).host(from, kOutside), dropped(Drop::kNotFromHost));
      EXPECT_EQ(Site(action).host(from, "224.0.0.18"), dropped(Drop::kNotFromHost));
    }
    EXPECT_EQ(Site(action)(Origin::kHostProtected, kLan, "2001:db8:f::9", "2001:db8:a::10"),
              dropped(Drop::kNotFromHost));
    // Of any address of the host, on whatever interface it is; and before it has one.
    for (const char* from : {kUsLan, kUsWan, "0.0.0.0"})
      EXPECT_EQ(Site(action)(Origin::kHostProtected, kLan, from, kInside), sent(kLan));
    EXPECT_EQ(Site(action).host("0.0.0.0", "255.255.255.255"), sent(kWan)) << "DHCP";
  }
}

TEST(Rfc4301_5_1, TheHostsLinkMulticastLeavesAndItsProtectedPortsAreFree) {
  for (const auto& action : kEvery) {
    for (const char* to : {"224.0.0.18", "ff02::12", "255.255.255.255"})
      EXPECT_EQ(Site(action).host(ip(to).is_v4() ? kUsWan : "2001:db8:ffff::1", to), sent(kWan)) << to;
    EXPECT_EQ(Site(action)(Origin::kHostProtected, kLan, kUsLan, kInside), sent(kLan));
  }
  EXPECT_EQ(Site(std::nullopt).host(kUsWan, "239.1.2.3"), dropped(Drop::kNoPolicy));
}

// RFC 1812 §5.3.7, RFC 4291 §2.5: whatever the policies say, off each wire and out of an SA.
TEST(Rfc1812_5_3_7, MartianSourcesAreDropped) {
  for (const auto& action : kEvery)
    for (const Origin origin : {Origin::kProtected, Origin::kUnprotected, Origin::kDecrypted}) {
      const Site site(action);
      const auto from = [&](const char* source, const char* to) {
        return site(origin, origin == Origin::kProtected ? kLan : kWan, source, to);
      };
      for (const char* source :
           {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "224.0.0.1", "239.1.2.3", "240.0.0.1",
            "255.255.255.255", "198.51.100.255", "198.19.255.255"})
        for (const char* to : {kInside, kOutside, kUsLan, kUsWan, "239.1.2.3"})
          EXPECT_EQ(from(source, to), dropped(Drop::kMartianSource)) << source << " to " << to;
      for (const char* source : {"::", "::1", "ff02::1", "ff0e::1", "::ffff:198.18.1.10"})
        for (const char* to : {"2001:db8:a::10", "2001:db8:f::9", "2001:db8:a::1", "ff0e::7"})
          EXPECT_EQ(from(source, to), dropped(Drop::kMartianSource)) << source << " to " << to;
      for (const char* to : {kInside, kOutside, kUsWan, "224.0.0.18"})
        for (const char* source : {kUsLan, kUsWan})
          EXPECT_EQ(from(source, to), dropped(Drop::kOwnSource)) << source << " to " << to;
      EXPECT_EQ(from("2001:db8:ffff::1", "2001:db8:a::10"), dropped(Drop::kOwnSource));
    }
  // The first and the last addresses that are no martians, where everything may pass.
  const Site bypass(Action::kBypass);
  for (const char* source : {"1.0.0.0", "126.255.255.255", "128.0.0.0", "223.255.255.255"})
    EXPECT_EQ(bypass.clear(source, kInside).kind, Kind::kForward) << source;
  for (const char* source : {"::2", "fe7f::1", "fec0::1", "feff::1", "::fffe:198.18.1.10"})
    EXPECT_EQ(bypass.clear(source, "2001:db8:a::10").kind, Kind::kForward) << source;
}

TEST(Rfc1812_5_3_7, MartianDestinationsAreDropped) {
  for (const auto& action : kEvery)
    for (const Origin origin : {Origin::kProtected, Origin::kUnprotected, Origin::kDecrypted}) {
      const Site site(action);
      const PortIndex port = origin == Origin::kProtected ? kLan : kWan;
      for (const char* to :
           {"0.0.0.0", "0.9.9.9", "127.0.0.1", "240.0.0.1", "254.1.1.1", "198.51.100.255", "198.19.255.255"})
        EXPECT_EQ(site(origin, port, "203.0.113.77", to), dropped(Drop::kMartianDestination)) << to;
      for (const char* to : {"::", "::1", "::ffff:198.18.1.10"})
        EXPECT_EQ(site(origin, port, "2001:db8:f::9", to), dropped(Drop::kMartianDestination)) << to;
    }
}

// RFC 4291 §2.5.6, RFC 3927 §7.
TEST(Rfc4291_2_5_6, LinkLocalAddressesStayOnTheirLink) {
  for (const auto& action : kEvery) {
    const Site site(action);
    for (const Origin origin : {Origin::kProtected, Origin::kUnprotected, Origin::kDecrypted}) {
      const PortIndex port = origin == Origin::kProtected ? kLan : kWan;
      EXPECT_EQ(site(origin, port, "169.254.1.1", kInside), dropped(Drop::kMartianSource));
      EXPECT_EQ(site(origin, port, kOutside, "169.254.1.1"), dropped(Drop::kMartianDestination));
      EXPECT_EQ(site(origin, port, "fe80::5", "2001:db8:a::10"), dropped(Drop::kMartianSource));
      EXPECT_EQ(site(origin, port, "2001:db8:f::9", "fe80::5"), dropped(Drop::kMartianDestination));
    }
    EXPECT_EQ(site.decrypted("fe80::5", "2001:db8:a::1"), dropped(Drop::kMartianSource))
        << "no link leads through a tunnel";
    EXPECT_EQ(site.decrypted("169.254.1.1", kUsLan), punted(kLan)) << "a cloud's end of its tunnel";
    EXPECT_EQ(site.protected_port("fe80::5", "2001:db8:a::1"), punted(kLan));
  }
  EXPECT_EQ(Site(Action::kBypass).clear("fe80::5", "2001:db8:ffff::1"), punted(kWan));
}

// What a link needs before its hosts have addresses, and what routers say to each other.
TEST(Rfc1812_5_3_7, WhatALinkNeedsIsNoMartian) {
  for (const auto& action : kEvery) {
    const Site site(action);
    for (const auto& [origin, port] : {std::pair(Origin::kProtected, kLan), {Origin::kUnprotected, kWan}}) {
      EXPECT_EQ(site(origin, port, "0.0.0.0", "255.255.255.255", kUdp, 68, 67), punted(port)) << "DHCP";
      EXPECT_EQ(site(origin, port, kOutside, "255.255.255.255", kUdp, 67, 68), punted(port));
      const auto solicitation = static_cast<std::uint16_t>(135 << 8),
                 mld = static_cast<std::uint16_t>(143 << 8);
      EXPECT_EQ(site(origin, port, "::", "ff02::1:ff00:1", kIcmpv6, solicitation, solicitation),
                punted(port));
      EXPECT_EQ(site(origin, port, "::", "ff02::16", kIcmpv6, mld, mld), punted(port));
      for (const char* group : {"224.0.0.5", "224.0.0.18"})
        EXPECT_EQ(site(origin, port, "203.0.113.77", group, 89), punted(port)) << "OSPF, VRRP";
      EXPECT_EQ(site(origin, port, "fe80::5", "ff02::5", 89), punted(port));
    }
    EXPECT_EQ(site.decrypted("0.0.0.0", "255.255.255.255"), dropped(Drop::kMartianSource));
    EXPECT_EQ(site.host("0.0.0.0", "255.255.255.255"), sent(kWan));
  }
}

// RFC 2131 §4.1: to an address that the port shall have, before it has any.
TEST(Rfc2131_4_1, OfferToAnAddressThatIsOfferedReachesTheHost) {
  NetworkSpec network;
  network.addresses = {{ip(kUsLan), kLan}};
  network.routes = {{*Prefix::parse("198.18.0.0/15"), std::nullopt, kLan}};
  Tables tables;
  tables.spd = std::make_shared<const Spd>();
  tables.routes = std::move(*Routes::build(network, {{Mac{2, 0, 0, 0, 0, 1}, Side::kProtected, 1500},
                                                     {Mac{2, 0, 0, 0, 0, 2}, Side::kUnprotected, 1500}}));
  Flow offer{.source = ip("198.51.100.254"),
             .destination = ip("198.51.100.9"),
             .sport = 67,
             .dport = 68,
             .protocol = kUdp,
             .origin = Origin::kUnprotected,
             .port = kWan};
  EXPECT_EQ(decide(tables, offer), punted(kWan));
  offer.origin = Origin::kDecrypted;
  EXPECT_EQ(decide(tables, offer).kind, Kind::kDrop) << "off a wire only";
  offer.origin = Origin::kUnprotected;
  offer.sport = 68;
  EXPECT_EQ(decide(tables, offer), dropped(Drop::kNoPolicy));
  EXPECT_EQ(Site(std::nullopt)(Origin::kUnprotected, kWan, kOutside, kInside, kUdp, 67, 68),
            dropped(Drop::kNoPolicy))
      << "a port with an address needs none";
  offer.sport = 67;
  const PolicySpec protects{.id = PolicyId{1},
                            .action = Action::kProtect,
                            .selectors = {{*TrafficSelector::parse("198.51.100.0/24")},
                                          {*TrafficSelector::parse("198.51.100.0/24")}}};
  tables.spd = std::make_shared<const Spd>(std::vector<Spd::Input>{{protects, 5}});
  EXPECT_EQ(decide(tables, offer), dropped(Drop::kClearNotAllowed)) << "what is protected is no offer";
  offer.origin = Origin::kProtected;
  EXPECT_EQ(decide(tables, offer).kind, Kind::kProtect);
}

// RFC 4862 §5.4: who has the address that this machine tries out says so in its name.
TEST(Rfc4862_5_4, ADuplicateAddressIsHeardOf) {
  const auto told = [](Origin origin, const char* source, std::uint16_t type) {
    return Site(Action::kBypass)(origin, kWan, source, "ff02::1", kIcmpv6, type << 8, type << 8);
  };
  EXPECT_EQ(told(Origin::kUnprotected, "2001:db8:ffff::1", 136), punted(kWan));
  EXPECT_EQ(told(Origin::kUnprotected, "2001:db8:ffff::1", 128), dropped(Drop::kOwnSource));
  EXPECT_EQ(told(Origin::kDecrypted, "2001:db8:ffff::1", 136), dropped(Drop::kOwnSource));
}

Selectors between(const char* local, const char* remote) {
  return {{*TrafficSelector::parse(local)}, {*TrafficSelector::parse(remote)}};
}

// Multicast beyond a link goes through a tunnel, or past it, where an entry names the group.
TEST(Rfc4301_4_4_1, AnEntryThatNamesAGroupTakesItsPackets) {
  for (const auto& [group, other, source] :
       {std::tuple("239.1.0.0/16", "0.0.0.0/0", "198.18.1.10"), {"ff3e::/16", "::/0", "2001:db8:a::10"}}) {
    const char* to = *group == '2' ? "239.1.2.3" : "ff3e::7";
    const char* far = *group == '2' ? "198.20.1.1" : "2001:db8:f::9";
    const Site out(
        {{{.id = PolicyId{1}, .action = Action::kProtect, .selectors = between(other, group)}, 5}});
    EXPECT_EQ(out.protected_port(source, to), kProtectedBySlot5);
    EXPECT_EQ(out.clear(far, to), dropped(Drop::kNotForUs)) << "not the other way round";
    const Site in({{{.id = PolicyId{1}, .action = Action::kProtect, .selectors = between(group, other)}, 5}});
    EXPECT_EQ(in.decrypted(far, to).kind, Kind::kForward);
    EXPECT_EQ(in.egress(in.decrypted(far, to)), Side::kProtected);
    EXPECT_EQ(in.clear(far, to), dropped(Drop::kClearNotAllowed));
    EXPECT_EQ(in.protected_port(source, to), punted(kLan)) << "to the host, as without an entry";
    const Site all(
        {{{.id = PolicyId{1}, .action = Action::kProtect, .selectors = between(other, other)}, 5}});
    EXPECT_EQ(all.protected_port(source, to), punted(kLan)) << "everything names nothing";
    EXPECT_EQ(all.decrypted(far, to), dropped(Drop::kNotForUs));
  }
  for (const char* link : {"224.0.0.5", "255.255.255.255"}) {
    const Site site(
        {{{.id = PolicyId{1}, .action = Action::kProtect, .selectors = between("0.0.0.0/0", "224.0.0.0/4")},
          5}});
    EXPECT_EQ(site.protected_port("198.18.1.10", link), punted(kLan)) << "what stays on its link does";
  }
  const Site bypass(
      {{{.id = PolicyId{1}, .action = Action::kBypass, .selectors = between("0.0.0.0/0", "239.0.0.0/8")},
        5}});
  EXPECT_EQ(bypass.protected_port("198.18.1.10", "239.1.2.3"), dropped(Drop::kNoRoute))
      << "its route leads back to where it is from";
  EXPECT_EQ(bypass.egress(bypass.protected_port("198.18.1.10", "239.9.2.3")), Side::kUnprotected);
}

// A BYPASS entry whose packets the kernel forwards, before one that protects everything.
TEST(Rfc4301_5_1, WhatGoesViaTheKernelIsWhatItsEntryCoversAlone) {
  const auto site = [](bool via_kernel) {
    return Site({{{.id = PolicyId{1},
                   .order = 1,
                   .action = Action::kBypass,
                   .selectors = between("0.0.0.0/0", "203.0.113.0/24"),
                   .via_kernel = via_kernel},
                  4},
                 {{.id = PolicyId{2},
                   .order = 2,
                   .action = Action::kProtect,
                   .selectors = between("198.18.0.0/15", "0.0.0.0/0")},
                  5}});
  };
  const Site kernel = site(true), datapath = site(false);
  EXPECT_EQ(kernel.protected_port(kInside, kOutside), punted(kLan));
  EXPECT_EQ(kernel.clear(kOutside, kInside), punted(kWan)) << "without masquerade";
  EXPECT_EQ(kernel.clear(kOutside, kUsWan), punted(kWan)) << "with it";
  EXPECT_EQ(kernel.protected_port(kInside, "192.0.2.9"), kProtectedBySlot5) << "what is protected never does";
  EXPECT_EQ(kernel.clear("192.0.2.9", kInside), dropped(Drop::kClearNotAllowed));
  // Back from the kernel: masqueraded, as it was, and the answer.
  EXPECT_EQ(kernel.host(kUsWan, kOutside), sent(kWan));
  EXPECT_EQ(kernel.host(kInside, kOutside), sent(kWan));
  EXPECT_EQ(kernel(Origin::kHostProtected, kLan, kOutside, kInside), sent(kLan));
  // Anything else that it forwards is not the host's.
  EXPECT_EQ(kernel.host(kInside, "192.0.2.9"), dropped(Drop::kNotFromHost)) << "a protected host's packet";
  EXPECT_EQ(kernel(Origin::kHostProtected, kLan, "192.0.2.9", kInside), dropped(Drop::kNotFromHost));
  EXPECT_EQ(kernel(Origin::kHostProtected, kLan, kInside2, kInside), dropped(Drop::kNotFromHost));
  EXPECT_EQ(kernel(Origin::kHostProtected, kLan, "127.0.0.1", kInside), dropped(Drop::kNotFromHost));
  EXPECT_EQ(kernel.host("198.51.100.255", kOutside), dropped(Drop::kMartianSource));
  EXPECT_EQ(kernel.decrypted(kInside, kOutside).kind, Kind::kForward) << "for protected ports alone";
  for (const Decision& d : {datapath.protected_port(kInside, kOutside), datapath.clear(kOutside, kInside)})
    EXPECT_EQ(d.kind, Kind::kForward);
  EXPECT_EQ(datapath.host(kInside, kOutside), dropped(Drop::kNotFromHost));
  // Its fragments are put together where the entry asks for ports.
  const Site by_port({{{.id = PolicyId{1},
                        .order = 1,
                        .action = Action::kBypass,
                        .selectors = between("0.0.0.0/0", "203.0.113.0/24[udp/53]"),
                        .via_kernel = true},
                       4}});
  for (const auto& [origin, port, from, to] : {std::tuple(Origin::kHostProtected, kLan, kOutside, kInside),
                                               {Origin::kHostUnprotected, kWan, kInside, kOutside}})
    EXPECT_EQ(by_port.decide_flow({.source = ip(from),
                                   .destination = ip(to),
                                   .protocol = kUdp,
                                   .origin = origin,
                                   .port = port,
                                   .fragment = true}),
              dropped(Drop::kFragment));
  const Site off = site(true).off();
  EXPECT_EQ(off.protected_port(kInside, kOutside), dropped(Drop::kGatewayOff));
  EXPECT_EQ(off.clear(kOutside, kInside), dropped(Drop::kGatewayOff));
  EXPECT_EQ(off.host(kInside, kOutside), dropped(Drop::kGatewayOff));
}

// The switch.
TEST(Gateway, OffStopsEverythingThatCrossesTheBoundaryAndNothingOfTheHost) {
  EXPECT_EQ(Site(Action::kProtect).off().protected_port(kInside, kOutside), dropped(Drop::kGatewayOff));
  EXPECT_EQ(Site(Action::kBypass).off().protected_port(kInside, kOutside), dropped(Drop::kGatewayOff));
  EXPECT_EQ(Site(Action::kBypass).off().clear(kOutside, kInside), dropped(Drop::kGatewayOff));
  EXPECT_EQ(Site(Action::kBypass).off().clear(kOutside, kOutside), dropped(Drop::kGatewayOff));
  EXPECT_EQ(Site(Action::kBypass).off().host(kUsWan, kOutside), sent(kWan));
  EXPECT_EQ(Site(Action::kProtect).off().host(kUsWan, kOutside), dropped(Drop::kGatewayOff))
      << "never in clear instead";
  EXPECT_EQ(Site(Action::kBypass).off().clear(kOutside, kUsWan), punted(kWan));
  EXPECT_EQ(Site(std::nullopt).off()(Origin::kUnprotected, kWan, kOutside, kUsWan, kUdp, 500, 500),
            punted(kWan));
}

// RFC 4301 §7: the ports of a later fragment are not known. An entry that asks for them cannot be decided,
// and it must not be passed over for one below that would let the fragment through in clear.
TEST(Rfc4301_7, LaterFragmentThatAnEntryWithPortsMayCoverIsDropped) {
  const auto s = [](const char* remote) {
    return Selectors{{*TrafficSelector::parse("0.0.0.0/0")}, {*TrafficSelector::parse(remote)}};
  };
  for (const Action action : {Action::kProtect, Action::kBypass, Action::kDiscard}) {
    const Site site(
        {{{.id = PolicyId{1}, .order = 1, .action = action, .selectors = s("203.0.113.0/24[tcp/443]")}, 5},
         {{.id = PolicyId{2}, .order = 2, .action = Action::kBypass, .selectors = s("0.0.0.0/0")}, 6}});
    Flow flow{.source = ip(kInside),
              .destination = ip(kOutside),
              .protocol = kTcp,
              .origin = Origin::kProtected,
              .port = kLan,
              .fragment = true};
    EXPECT_EQ(site.decide_flow(flow), dropped(Drop::kFragment));
    flow.protocol = kUdp;
    EXPECT_EQ(site.decide_flow(flow).kind, Kind::kForward);
    flow = {.source = ip(kOutside),
            .destination = ip(kInside),
            .protocol = kTcp,
            .origin = Origin::kUnprotected,
            .port = kWan,
            .fragment = true};
    EXPECT_EQ(site.decide_flow(flow), dropped(Drop::kFragment));
  }
  Flow whole{.source = ip(kInside),
             .destination = ip(kOutside),
             .protocol = kTcp,
             .origin = Origin::kProtected,
             .port = kLan,
             .fragment = true};
  EXPECT_EQ(Site(Action::kProtect).decide_flow(whole), kProtectedBySlot5)
      << "no ports asked for: a fragment like any packet";
}

}  // namespace
}  // namespace simplon::dp

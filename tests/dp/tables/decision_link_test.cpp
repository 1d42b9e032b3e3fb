// SPDX-License-Identifier: Apache-2.0
// What the policies have no say in: what a link needs for itself, and addresses that nobody may send from or
// to.
#include <gtest/gtest.h>

#include "tests/dp/tables/decision_site.h"

namespace simplon::dp {
namespace {

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
    EXPECT_TRUE(bypass.clear(source, kInside).forwards()) << source;
  for (const char* source : {"::2", "fe7f::1", "fec0::1", "feff::1", "::fffe:198.18.1.10"})
    EXPECT_TRUE(bypass.clear(source, "2001:db8:a::10").forwards()) << source;
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

}  // namespace
}  // namespace simplon::dp

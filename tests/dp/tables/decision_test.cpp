// SPDX-License-Identifier: Apache-2.0
// RFC 4301 §5.1 and §5.2 for every place that a clear packet can come from, against every action of the SPD.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/dp/tables/decision_site.h"

namespace simplon::dp {
namespace {

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
        EXPECT_TRUE(d.forwards());
        EXPECT_EQ(site.egress(d), Side::kProtected);
      }
    }
}

TEST(Rfc4301_5_1, OutwardsTheOutboundSpdDecides) {
  for (const auto& from :
       {&Site::protected_port, &Site::decrypted}) {  // decrypted and out again: a hub of tunnels
    const Site bypass(Action::kBypass);
    const Decision forwarded = (bypass.*from)(kInside, kOutside);
    EXPECT_TRUE(forwarded.forwards());
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
  EXPECT_TRUE(inwards.forwards());
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
  EXPECT_TRUE(site(Action::kBypass).clear(kOutside, kOutside).forwards());
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
    EXPECT_TRUE(in.decrypted(far, to).forwards());
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
  EXPECT_TRUE(kernel.decrypted(kInside, kOutside).forwards()) << "for protected ports alone";
  for (const Decision& d : {datapath.protected_port(kInside, kOutside), datapath.clear(kOutside, kInside)})
    EXPECT_TRUE(d.forwards());
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

// An entry whose SAs are in the kernel, and one behind it whose are not.
struct KernelSite : Site {
  explicit KernelSite(bool newest_there)
      : Site(std::vector<Spd::Input>{{{.id = PolicyId{1},
                                       .order = 1,
                                       .action = Action::kProtect,
                                       .selectors = between("198.18.1.0/24", "203.0.113.0/24")},
                                      5,
                                      0,
                                      true,
                                      newest_there},
                                     {{.id = PolicyId{2},
                                       .order = 2,
                                       .action = Action::kProtect,
                                       .selectors = between("198.18.0.0/15", "0.0.0.0/0")},
                                      5}}) {
    kernel_sas();
  }
};

TEST(Rfc4301_5_1, WhatAKernelsSaProtectsIsGivenToTheKernelAndNeverLeavesInClear) {
  KernelSite site(true);
  EXPECT_EQ(site.protected_port(kInside, kOutside), punted(kLan));
  EXPECT_EQ(site.decrypted(kInside, kOutside), punted(kWan)) << "from one tunnel into another";
  EXPECT_EQ(site.protected_port(kInside2, kOutside), kProtectedBySlot5) << "another entry's";
  // What the kernel has not protected.
  EXPECT_EQ(site.host(kInside, kOutside), dropped(Drop::kNotFromHost)) << "it has lost its SA or its policy";
  EXPECT_EQ(site.host(kUsLan, kOutside), dropped(Drop::kClearNotAllowed)) << "the machine's own too";
  OutboundSa ours;
  site.slot5().sa.publish(&ours);
  EXPECT_EQ(site.host(kUsLan, kOutside), kProtectedBySlot5) << "an SA of ours that is still there takes it";
  site.slot5().sa.publish(nullptr);
  EXPECT_EQ(site.clear(kOutside, kInside), dropped(Drop::kClearNotAllowed)) << "in clear off the wire";
  // What it has.
  for (const std::uint8_t protocol : {kEsp, kAh})
    EXPECT_EQ(site(Origin::kHostUnprotected, kWan, kUsWan, kOutside, protocol), sent(kWan));
  EXPECT_EQ(site(Origin::kHostUnprotected, kWan, kInside, kOutside, kEsp), dropped(Drop::kNotFromHost));
  EXPECT_EQ(Site(std::nullopt)(Origin::kHostUnprotected, kWan, kUsWan, kOutside, kEsp),
            dropped(Drop::kNoPolicy))
      << "without such an SA the policies decide";
}

TEST(Rfc4301_5_2, WhatTheKernelForwardsInwardsHasComeByAnSaOfItsEntry) {
  for (const bool newest_there : {true, false}) {
    const KernelSite site(newest_there);
    EXPECT_EQ(site(Origin::kHostProtected, kLan, kOutside, kInside), sent(kLan));
    EXPECT_EQ(site(Origin::kHostProtected, kLan, "192.0.2.9", kInside), dropped(Drop::kNotFromHost))
        << "the entry behind has none there";
    EXPECT_EQ(site(Origin::kHostProtected, kLan, kInside2, kInside), dropped(Drop::kNotFromHost));
    EXPECT_EQ(site(Origin::kHostUnprotected, kWan, kInside, kOutside), dropped(Drop::kNotFromHost));
  }
}

TEST(Rfc4301_5_1, AChildThatHasMovedBackIsTheDataPathsAgain) {
  EXPECT_EQ(KernelSite(false).protected_port(kInside, kOutside), kProtectedBySlot5);
  KernelSite off(true);
  off.off();
  EXPECT_EQ(off.protected_port(kInside, kOutside), dropped(Drop::kGatewayOff));
  EXPECT_EQ(off(Origin::kHostProtected, kLan, kOutside, kInside), dropped(Drop::kGatewayOff));
  EXPECT_EQ(off(Origin::kHostUnprotected, kWan, kUsWan, kOutside, kEsp), dropped(Drop::kGatewayOff));
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
    EXPECT_TRUE(site.decide_flow(flow).forwards());
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

// SPDX-License-Identifier: Apache-2.0
// Fragments through a worker: whose datagrams are put together before it is decided about them, and that all
// others go their way as they are.
#include "tests/dp/fragments.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

bool is_esp(const Buffer& frame) {
  const Buffer p = ip_of(frame);
  const std::uint8_t next = p[0] >> 4 == 4 ? p[9] : p[6];
  return (next == kIpv6Fragment ? p[40] : next) == kEsp;
}
// A UDP packet of either family.
Buffer udp(const char* from, const char* to, unsigned payload, std::uint16_t sport, std::uint16_t dport) {
  Buffer p = is_v4(from) ? udp4(from, to, payload) : udp6(from, to, payload);
  const unsigned at = is_v4(from) ? 20 : 40;
  store_be16(p.data() + at, sport);
  store_be16(p.data() + at + 2, dport);
  return p;
}
std::uint16_t type_of(const Buffer& ip) { return ip[0] >> 4 == 4 ? kEtherTypeIpv4 : kEtherTypeIpv6; }

struct Ends {
  const char *inside, *outside, *all, *us;
};
constexpr Ends kEnds[] = {{"198.18.1.10", "203.0.113.5", "0.0.0.0/0", "198.51.100.1"},
                          {"2001:db8:a::10", "2001:db8:ffff::77", "::/0", "2001:db8:ffff::1"}};

TEST(Rfc4303_3_4_1, EspInFragmentsIsPutTogetherBeforeItIsDecrypted) {
  for (const Mix& mix : kMixes)
    for (const bool in_udp : {false, true})
      for (const bool backwards : {false, true}) {
        SaOptions options;
        if (in_udp) options.udp = UdpPorts{Port{4500}, Port{4500}};
        Pair pair(options, mix);
        const Buffer inner = udp(mix.inner_from, mix.inner_to, 1200, 1000, 2000);
        auto pieces = cut(pair.seal(inner), 600);
        ASSERT_EQ(pieces.size(), 3u);
        if (backwards) std::ranges::reverse(pieces);
        EXPECT_TRUE(pair.open(pieces[0]).empty());
        EXPECT_TRUE(pair.open(pieces[1]).empty());
        const auto opened = pair.open(pieces[2]);
        ASSERT_EQ(opened.size(), 1u) << mix.name;
        EXPECT_EQ(ip_of(opened[0]), aged(inner, 2));
        EXPECT_EQ(pair.right.worker().counters().reassembled, 2u);
        EXPECT_TRUE(pair.open(pieces[0]).empty() && pair.open(pieces[1]).empty() &&
                    pair.open(pieces[2]).empty());
        EXPECT_EQ(pair.right.dropped(Drop::kReplayed), 1u) << "the replay check is that of the whole packet";
      }
}

// RFC 7296 §2: at least 3000 octets.
TEST(Rfc7296_2, LargeIkeDatagramsReachTheHostWhole) {
  for (const Ends& e : kEnds)
    for (const std::uint16_t port : {500, 4500}) {
      Lab lab(0, true);
      Buffer ike = udp(e.outside, e.us, 3000, port, port);
      store_be32(ike.data() + (is_v4(e.us) ? 28 : 48), 0);  // the non-ESP marker
      for (const Buffer& piece : cut(ike, 1432))
        EXPECT_TRUE(lab.receive(frame_of({2, 0, 0, 0, 0, 2}, type_of(piece), piece), kWan).empty());
      const auto punted = lab.punted_by_port();
      ASSERT_EQ(punted.size(), 1u) << port;
      EXPECT_EQ(punted[0].first, kWan);
      EXPECT_EQ(joined({punted[0].second}), ike);
      // What is not IKE is for the policies, of which there are none.
      for (const Buffer& piece : cut(udp(e.outside, e.us, 3000, port, 501), 1432))
        lab.receive(frame_of({2, 0, 0, 0, 0, 2}, type_of(piece), piece), kWan);
      EXPECT_TRUE(lab.punted().empty());
      EXPECT_EQ(lab.dropped(Drop::kNoPolicy), 1u);
    }
}

TEST(Rfc7296_2, LargeIkeDatagramsOfTheHostLeaveInItsFragments) {
  for (const Ends& e : kEnds) {
    Lab lab(0, true);
    lab.protect(selectors(e.all, e.all));
    const auto leaves = [&](std::uint16_t sport, std::uint32_t id) {
      std::vector<Buffer> out;
      for (const Buffer& piece : cut(udp(e.us, e.outside, 3000, sport, 500), 1232, id))
        std::ranges::copy(lab.inject(frame_of({2, 0, 0, 0, 0, 9}, type_of(piece), piece), kWan),
                          std::back_inserter(out));
      return out;
    };
    const auto out = leaves(500, 0x4711);
    ASSERT_EQ(out.size(), 3u);
    EXPECT_EQ(joined(out), udp(e.us, e.outside, 3000, 500, 500));
    for (const Buffer& frame : out) {
      EXPECT_LE(ip_of(frame).size(), 1280u) << "no larger than the kernel made them";
      EXPECT_EQ(Buffer(frame.begin(), frame.begin() + 6), (Buffer{2, 0, 0, 0, 0, 9}));
      EXPECT_EQ(is_v4(e.us) ? load_be16(frame.data() + 18) : load_be32(frame.data() + 58), 0x4711u);
    }
    EXPECT_TRUE(leaves(501, 2).empty()) << "other ports are protected, or nothing";
    EXPECT_EQ(lab.dropped(Drop::kNoSa), 1u);
  }
}

// RFC 4301 §7.4: what is bypassed and what is protected differ by a port, which the first fragment alone has.
TEST(Rfc4301_7_4, WhereThePortDecidesItDecidesAboutTheWholeDatagram) {
  for (const Ends& e : kEnds) {
    Lab lab(0, true);
    const auto with_port = [&](const char* port) {
      return Selectors{{*TrafficSelector::parse(e.all)},
                       {*TrafficSelector::parse(std::string(e.all) + "[udp/" + port + "]")}};
    };
    lab.protect(with_port("2000"), Action::kProtect, 1, 10);
    lab.protect(with_port("2001"), Action::kDiscard, 2, 20);
    lab.protect(selectors(e.all, e.all), Action::kBypass, 3, 30);
    SaOptions sa;
    sa.from = *IpAddress::parse(kEnds[0].us), sa.to = *IpAddress::parse("198.51.100.2");
    sa.selectors = with_port("2000");
    ASSERT_TRUE(lab.registry().add_sa(make_sa(Direction::kOut, sa)));
    const auto leaves = [&](std::uint16_t port, bool backwards) {
      auto pieces = cut(udp(e.inside, e.outside, 4000, 1000, port), 1232, port + (backwards ? 100u : 0u));
      if (backwards) std::ranges::reverse(pieces);
      return lab.pass(pieces, Origin::kProtected, kLan);
    };
    for (const bool backwards : {false, true}) {
      SCOPED_TRACE(std::string(e.all) + (backwards ? " last fragment first" : ""));
      const auto clear = leaves(2002, backwards);
      EXPECT_EQ(clear.size(), 4u);
      EXPECT_EQ(joined(clear), aged(udp(e.inside, e.outside, 4000, 1000, 2002), 1));
      for (const Buffer& frame : clear) EXPECT_LE(ip_of(frame).size(), 1280u) << "as large as they came";
      const auto esp = leaves(2000, backwards);
      EXPECT_EQ(esp.size(), 3u) << "whole, and then in outer fragments";
      EXPECT_TRUE(std::ranges::all_of(esp, is_esp));
      EXPECT_TRUE(leaves(2001, backwards).empty());
    }
    EXPECT_EQ(lab.dropped(Drop::kPolicyDiscard), 2u) << "one for each datagram";
    EXPECT_EQ(lab.dropped(Drop::kFragment), 0u);
    // The same look-alikes without a doubt: no datagram is waited for.
    const std::uint64_t before = lab.worker().counters().reassembled;
    Buffer tcp = udp(e.inside, e.outside, 4000, 1000, 2000);
    tcp[is_v4(e.inside) ? 9 : 6] = kTcp;
    EXPECT_EQ(lab.pass(std::vector{cut(tcp, 1232)[2]}, Origin::kProtected, kLan).size(), 1u);
    EXPECT_EQ(lab.worker().counters().reassembled, before);
  }
}

TEST(Rfc4301_7_4, InboundBypassOfAPortLetsNoOtherFragmentIn) {
  for (const Ends& e : kEnds) {
    Lab lab(0, true);
    lab.protect(
        {{*TrafficSelector::parse(std::string(e.all) + "[udp/2000]")}, {*TrafficSelector::parse(e.all)}},
        Action::kBypass);
    const auto enters = [&](std::uint16_t port) {
      return lab.pass(cut(udp(e.outside, e.inside, 4000, 1000, port), 1232, port), Origin::kUnprotected,
                      kWan);
    };
    EXPECT_EQ(joined(enters(2000)), aged(udp(e.outside, e.inside, 4000, 1000, 2000), 1));
    EXPECT_TRUE(enters(2001).empty());
    EXPECT_EQ(lab.dropped(Drop::kNoPolicy), 1u);
  }
}

// RFC 8200 §4.5: behind the fragment header another extension header may stand, and only the first fragment
// tells what comes then.
TEST(Rfc4301_7, AProtocolBehindAnotherExtensionHeaderIsNotKnownEither) {
  const Ends& e = kEnds[1];
  Lab lab(0, true);
  lab.protect({{*TrafficSelector::parse("::/0[udp]")}, {*TrafficSelector::parse("::/0[udp]")}});
  lab.protect(selectors("::/0", "::/0"), Action::kBypass, 2, 20);
  Buffer packet = udp(e.inside, e.outside, 3000, 1000, 2000);
  packet[6] = kIpv6Destination;
  packet.insert(packet.begin() + 40, {kUdp, 0, 1, 4, 0, 0, 0, 0});
  store_be16(packet.data() + 4, static_cast<std::uint16_t>(packet.size() - 40));
  EXPECT_TRUE(lab.pass(cut(packet, 1232), Origin::kProtected, kLan).empty()) << "never in clear";
  EXPECT_EQ(lab.dropped(Drop::kNoSa), 1u);
  packet[40] = kTcp;
  EXPECT_EQ(lab.pass(cut(packet, 1232, 8), Origin::kProtected, kLan).size(), 3u);
}

// What a peer sends in fragments under selectors with ports is checked when it is whole.
struct PortPair : Pair {
  explicit PortPair(const Mix& mix) : Pair({}, mix) {
    SaOptions theirs = options;
    theirs.id = 7, theirs.spi = Spi{0x2002};
    theirs.selectors = {{*TrafficSelector::parse(std::string(mix.remote) + "[udp/2000]")},
                        {*TrafficSelector::parse(mix.local)}};
    EXPECT_TRUE(right.registry().add_sa(make_sa(Direction::kIn, theirs)));
    SaOptions mine = options;
    mine.id = 8, mine.spi = Spi{0x2002};
    mine.selectors = selectors(mix.local, mix.remote);
    EXPECT_TRUE(left.registry().add_sa(make_sa(Direction::kOut, mine)));
  }
};

TEST(Rfc4301_7, DecryptedFragmentsMeetSelectorsWithPortsWhenTheyAreWhole) {
  for (const Mix& mix : kMixes) {
    PortPair pair(mix);
    const auto crosses = [&](std::uint16_t port) {
      std::vector<Buffer> out;
      for (const Buffer& piece : cut(udp(mix.inner_from, mix.inner_to, 3000, 1000, port), 1232, port))
        std::ranges::copy(pair.open(pair.seal(piece)), std::back_inserter(out));
      return out;
    };
    const auto out = crosses(2000);
    EXPECT_EQ(out.size(), 3u) << mix.name;
    EXPECT_EQ(joined(out), aged(udp(mix.inner_from, mix.inner_to, 3000, 1000, 2000), 2));
    EXPECT_TRUE(crosses(2001).empty());
    EXPECT_EQ(pair.right.dropped(Drop::kSelectorMismatch), 1u);
    EXPECT_EQ(pair.right.registry().counters(SaId{7})->selector_mismatch, 1u);
    EXPECT_EQ(pair.right.registry().counters(SaId{7})->packets, 6u);
    EXPECT_EQ(pair.right.worker().counters().decrypted, 6u);
  }
}

TEST(Rfc4301_7, NoPeerCompletesTheDatagramOfAnother) {
  const Mix& mix = kMixes[0];
  PortPair pair(mix);
  SaOptions third = pair.options;
  third.id = 9, third.spi = Spi{0x3003};
  third.selectors = {{*TrafficSelector::parse(std::string(mix.remote) + "[udp/2000]")},
                     {*TrafficSelector::parse(mix.local)}};
  ASSERT_TRUE(pair.right.registry().add_sa(make_sa(Direction::kIn, third)));
  const auto pieces = cut(udp(mix.inner_from, mix.inner_to, 2000, 1000, 2000), 1232);
  EXPECT_TRUE(pair.open(pair.seal(pieces[0])).empty());
  SaOptions mine = third;
  mine.id = 10;
  mine.selectors = selectors(mix.local, mix.remote);
  ASSERT_TRUE(pair.left.registry().add_sa(make_sa(Direction::kOut, mine)));
  EXPECT_TRUE(pair.open(pair.seal(pieces[1])).empty());
  EXPECT_EQ(pair.right.worker().counters().decrypted, 2u);
  EXPECT_EQ(pair.open(pair.seal(pieces[0])).size(), 2u) << "the same SA's is whole now";
}

TEST(Rfc4301_7_3, AnSaWithPortsSendsNoFragments) {
  const Mix& mix = kMixes[0];
  Lab left(0, true);
  const Selectors ports{{*TrafficSelector::parse(mix.local)},
                        {*TrafficSelector::parse(std::string(mix.remote) + "[udp/2000]")}};
  left.protect(ports);
  SaOptions sa;
  sa.selectors = ports;
  ASSERT_TRUE(left.registry().add_sa(make_sa(Direction::kOut, sa)));
  const auto out = left.pass(udp4(mix.inner_from, mix.inner_to, 1472), Origin::kProtected, kLan);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(load_be16(ip_of(out[0]).data() + 6), 0x2000) << "the outer packet's own";
  EXPECT_EQ(left.worker().counters().encrypted, 1u);
}

// Fragments come to one worker, and the SA may be another's: how the datagram came goes along.
TEST(Mailboxes, ADatagramThatWasPutTogetherIsFragmentedByItsNewWorkerAsItCame) {
  rte_ring* ring = rte_ring_create("mailbox", 8, 0, 0);
  WorkerCounters counters;
  Mailboxes mailboxes({nullptr, ring}, 0, counters);
  Lab owner(0, true);
  owner.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass);
  const Buffer whole = udp4(kEnds[0].inside, kEnds[0].outside, 1400);
  for (const std::uint16_t largest : {0, 620}) {
    PacketInfo packet{.m = Lab::mbuf(frame_of({2, 0, 0, 0, 0, 1}, kEtherTypeIpv4, whole), kLan),
                      .headers = {},
                      .origin = Origin::kProtected,
                      .port = kLan,
                      .spi = {}};
    ASSERT_EQ(parse_ip(packet.m, kEthernetBytes, packet.headers), Drop::kNone);
    set_largest_fragment(packet, largest);
    mailboxes.hand_over(packet, 1);
    void* m = nullptr;
    ASSERT_EQ(rte_ring_dequeue(ring, &m), 0);
    const auto out = owner.hand(static_cast<rte_mbuf*>(m));
    EXPECT_EQ(out.size(), largest == 0 ? 1u : 3u);
    EXPECT_EQ(joined(out), aged(whole, 1));
  }
  rte_ring_free(ring);
}

// RFC 6864 §4.3: not what another SA between the same ends uses meanwhile.
TEST(Rfc6864_4_3, TwoSasDoNotCountTheirIdentificationsAlong) {
  std::set<std::uint32_t> first;
  for (int i = 0; i < 8; ++i) {
    Pair pair({.mtu = {.fragmentation = Fragmentation::kAfterEsp}}, kMixes[2]);
    const auto out = pair.left.pass(udp4("198.18.1.10", "198.18.2.10", 1472), Origin::kProtected, kLan);
    ASSERT_EQ(out.size(), 2u);
    first.insert(load_be32(ip_of(out[0]).data() + 44));
    EXPECT_EQ(load_be32(ip_of(out[0]).data() + 44), load_be32(ip_of(out[1]).data() + 44));
    const auto next = pair.left.pass(udp4("198.18.1.10", "198.18.2.10", 1472), Origin::kProtected, kLan);
    EXPECT_EQ(load_be32(ip_of(next.at(0)).data() + 44) - load_be32(ip_of(out[0]).data() + 44), 1u);
  }
  EXPECT_GE(first.size(), 7u);
}

TEST(Flood, OfFragmentsFromOutsideCostsNobodyInside) {
  const Ends& e = kEnds[0];
  Lab lab(0, true);
  lab.protect({{*TrafficSelector::parse(e.all)}, {*TrafficSelector::parse("0.0.0.0/0[udp/2000]")}},
              Action::kBypass);
  const auto pieces = cut(udp(e.inside, e.outside, 2000, 1000, 2000), 1232);
  EXPECT_TRUE(lab.pass(pieces[0], Origin::kProtected, kLan).empty());
  for (unsigned i = 0; i < 400; ++i) {
    const std::string from = "203.0.113." + std::to_string(i % 250 + 1);
    lab.pass(cut(udp4(from.c_str(), e.us, 2000), 1232, i)[0], Origin::kUnprotected, kWan);
  }
  EXPECT_EQ(lab.dropped(Drop::kFragmentLimit), 400u - Reassembly::kDatagrams);
  EXPECT_EQ(lab.pass(pieces[1], Origin::kProtected, kLan).size(), 2u);
}

// What answers a fragment may be asked before the first one is there, and again after it.
TEST(Rfc4301_7, TheFirstFragmentIsTreatedAsTheLaterOnes) {
  const Ends& e = kEnds[0];
  Lab lab(0, true);
  lab.protect({{*TrafficSelector::parse(e.all)}, {*TrafficSelector::parse("0.0.0.0/0[udp/2000]")}},
              Action::kBypass);
  const auto pieces = cut(udp(e.inside, e.outside, 2000, 1000, 2000), 1232);
  EXPECT_TRUE(lab.pass(pieces[0], Origin::kProtected, kLan).empty()) << "it does not leave alone";
  EXPECT_EQ(lab.pass(pieces[1], Origin::kProtected, kLan).size(), 2u);
}

// Another worker has decrypted it and found that no policy asks for its ports. Since then one does, and by
// which SA it came is not known any more: nothing may be put to it.
TEST(Rfc4301_7, AFragmentThatIsHandedOverAndThenAskedForItsPortsIsDropped) {
  Lab lab{0, true};
  lab.protect(selectors("198.18.2.0/24", "203.0.113.0/24[udp/2000]"), Action::kBypass);
  const std::vector<Buffer> pieces = cut(udp4("198.18.2.10", "203.0.113.9", 3000), 1232);
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_TRUE(lab.pass(pieces, Origin::kDecrypted, kWan).empty());
  EXPECT_EQ(lab.dropped(Drop::kFragment), 3u);
  EXPECT_EQ(lab.pass(udp4("198.18.2.10", "203.0.113.9"), Origin::kDecrypted, kWan).size(), 1u)
      << "the control";
  EXPECT_EQ(lab.pass(pieces, Origin::kProtected, kLan).size(), 3u) << "and of those that are its own";
}

}  // namespace
}  // namespace simplon::dp::test

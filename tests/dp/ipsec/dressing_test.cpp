// SPDX-License-Identifier: Apache-2.0
// The fields of the outer header that an SA chooses: DSCP, ECN, TTL, flow label.
#include "dp/ipsec/dressing.h"

#include <gtest/gtest.h>
#include <rte_ip.h>

#include <set>

#include "tests/dp/dressed.h"
#include "tests/dp/fragments.h"

namespace simplon::dp::test {
namespace {

bool is_v4(const Buffer& ip) { return ip[0] >> 4 == 4; }
unsigned tclass_of(const Buffer& ip) { return traffic_class(ip.data(), is_v4(ip)); }
unsigned label_of(const Buffer& ip) { return load_be32(ip.data()) & 0xfffff; }

// An inner packet of this traffic class and, over IPv6, flow label.
Buffer marked(const Mix& mix, std::uint8_t tclass, std::uint32_t label = 0, std::uint8_t ttl = 64) {
  Buffer p = inner_of(mix, 100, ttl);
  if (!is_v4(p)) {
    store_be32(p.data(), 6u << 28 | std::uint32_t{tclass} << 20 | label);
    return p;
  }
  p[1] = tclass;
  set_ipv4_checksum(p.data());
  return p;
}

// That it is well-formed, and that the other end makes of it what went in, but for the TTL.
void expect_opened(Pair& pair, const Mix& mix, const Buffer& outer, std::uint8_t tclass,
                   std::uint32_t label = 0) {
  if (is_v4(outer)) {
    EXPECT_EQ(ipv4_checksum_sum(outer.data(), 20), 0xffff);
  }
  const auto opened = pair.open(outer);
  ASSERT_EQ(opened.size(), 1u) << mix.name;
  EXPECT_EQ(ip_of(opened[0]), marked(mix, tclass, label, 62)) << mix.name;
}

const TunnelOptions kAll{
    .dscp = fixed_dscp(34), .ecn = EcnMode::kCompatibility, .ttl = 33, .flow_label = FlowLabel::kFlow};

class EveryDressedSuite : public testing::TestWithParam<SuiteAndEsn> {};

TEST_P(EveryDressedSuite, RoundTrips) {
  const auto& [suite, esn] = GetParam();
  for (const Mix& mix : kMixes)
    for (const bool udp : {false, true}) {
      SaOptions options{.suite = suite, .esn = esn, .tunnel = kAll};
      if (udp) options.udp = UdpPorts{Port{4500}, Port{4500}};
      Pair pair(options, mix);
      for (int i = 0; i < 3; ++i) {
        const Buffer outer = pair.seal(marked(mix, 0xb9));
        EXPECT_EQ(tclass_of(outer), 34u << 2);
        EXPECT_EQ(ttl(outer.data(), is_v4(outer)), 33);
        expect_opened(pair, mix, outer, 0xb9);
      }
      EXPECT_EQ(pair.left.registry().counters(SaId{1})->packets, 3u);
      EXPECT_EQ(pair.left.registry().counters(SaId{1})->bytes, 3 * marked(mix, 0).size());
    }
}

INSTANTIATE_TEST_SUITE_P(Rfc4303_3_3, EveryDressedSuite, every_suite_and_esn(), suite_and_esn_name);

// RFC 4302 §3.3.3: these fields are mutable, so the ICV holds whatever they are.
TEST(Rfc4302_3_3_3_1, AhInTunnelModeHasTheSameChoice) {
  for (const Mix& mix : kMixes)
    for (const EspSuite& suite : ah_suites()) {
      Pair pair({.suite = suite, .tunnel = kAll, .protocol = IpsecProtocol::kAh}, mix);
      const Buffer outer = pair.seal(marked(mix, 0xb9));
      EXPECT_EQ(tclass_of(outer), 34u << 2);
      EXPECT_EQ(ttl(outer.data(), is_v4(outer)), 33);
      if (!is_v4(outer)) {
        EXPECT_NE(label_of(outer), 0u);
      }
      expect_opened(pair, mix, outer, 0xb9);
    }
}

TEST(Rfc2983, DscpIsCopiedFixedOrMapped) {
  DscpMap map = fixed_dscp(0);
  map[46] = 34, map[63] = 63;
  for (const Mix& mix : kMixes)
    for (const DscpMap& dscp : {copied_dscp(), fixed_dscp(46), map}) {
      Pair pair({.tunnel = {.dscp = dscp}}, mix);
      for (unsigned inner = 0; inner < kDscps; ++inner) {
        const auto tclass = static_cast<std::uint8_t>(inner << 2 | 2);
        const Buffer outer = pair.seal(marked(mix, tclass));
        ASSERT_EQ(tclass_of(outer), dscp[inner] << 2 | 2u) << inner;
        expect_opened(pair, mix, outer, tclass);
      }
    }
}

// Figure 3: normal mode copies, compatibility mode has Not-ECT. The inner field comes out as it went in.
TEST(Rfc6040_4_1, BothModesOfTheIngress) {
  for (const Mix& mix : kMixes)
    for (const EcnMode mode : {EcnMode::kNormal, EcnMode::kCompatibility}) {
      Pair pair({.tunnel = {.ecn = mode}}, mix);
      for (std::uint8_t ecn = 0; ecn < 4; ++ecn) {
        const auto tclass = static_cast<std::uint8_t>(0xb8 | ecn);
        const Buffer outer = pair.seal(marked(mix, tclass));
        EXPECT_EQ(tclass_of(outer), mode == EcnMode::kNormal ? tclass : 0xb8u) << mix.name;
        expect_opened(pair, mix, outer, tclass);
      }
    }
}

// A router on the way marks a packet of compatibility mode, though it must not: whose sender knows no ECN is
// dropped, the others are marked (§4.2).
TEST(Rfc6040_4_2, TheEgressIsOneForBothModes) {
  for (const EcnMode mode : {EcnMode::kNormal, EcnMode::kCompatibility}) {
    Pair pair({.tunnel = {.ecn = mode}});
    for (std::uint8_t ecn = 0; ecn < 4; ++ecn) {
      Buffer outer = pair.seal(marked(kMixes[0], ecn));
      outer[1] |= 3;
      set_ipv4_checksum(outer.data());
      const auto opened = pair.open(outer);
      ASSERT_EQ(opened.size(), ecn == 0 ? 0u : 1u);
      if (ecn != 0) {
        EXPECT_EQ(ip_of(opened[0])[1], 3);
      }
    }
    EXPECT_EQ(pair.right.dropped(Drop::kEcn), 1u);
  }
}

TEST(Rfc4301_5_1_2_1, TtlOfTheOuterHeaderIsChosen) {
  for (const Mix& mix : kMixes)
    for (const std::uint8_t hops : {1, 64, 255}) {
      Pair pair({.tunnel = {.ttl = hops}}, mix);
      const Buffer outer = pair.seal(marked(mix, 0xb9));
      EXPECT_EQ(ttl(outer.data(), is_v4(outer)), hops);
      EXPECT_EQ(tclass_of(outer), 0xb9u) << "all else is plain";
      expect_opened(pair, mix, outer, 0xb9);
    }
}

TEST(SaKind, OnlyWhatIsNotPlainIsDressed) {
  const auto kind = [](const TunnelOptions& options, const Mix& mix, Direction direction = Direction::kOut) {
    SaOptions sa{.tunnel = options};
    sa.from = *IpAddress::parse(mix.outer_from), sa.to = *IpAddress::parse(mix.outer_to);
    return sa_kind(*make_sa(direction, sa));
  };
  const TunnelOptions ttl{.ttl = 1}, label{.flow_label = FlowLabel::kFlow};
  EXPECT_EQ(kind({}, kMixes[0]), SaKind::kEspTunnelCounter);
  EXPECT_EQ(kind(ttl, kMixes[0]), SaKind::kEspTunnelCounter) << "it is in the template";
  EXPECT_EQ(kind(label, kMixes[0]), SaKind::kEspTunnelCounter) << "IPv4 has none";
  EXPECT_EQ(kind(label, kMixes[2]), SaKind::kEspTunnelDressed);
  EXPECT_EQ(kind(kAll, kMixes[0]), SaKind::kEspTunnelDressed);
  EXPECT_EQ(kind(kAll, kMixes[0], Direction::kIn), SaKind::kEspTunnelCounter);
}

TEST(Rfc6438_3, FlowLabelIsZeroCopiedOrOfTheFlow) {
  for (const bool udp : {false, true})
    for (const Mix& mix : {kMixes[2], kMixes[3]}) {
      const bool v6 = std::string(mix.inner_from).find(':') != std::string::npos;
      for (const FlowLabel choice : {FlowLabel::kZero, FlowLabel::kCopy, FlowLabel::kFlow}) {
        SaOptions options{.tunnel = {.flow_label = choice}};
        if (udp) options.udp = UdpPorts{Port{4500}, Port{4500}};
        Pair pair(options, mix);
        const std::uint32_t own = v6 ? 0x9abcd : 0;
        const Buffer outer = pair.seal(marked(mix, 0x1d, own));
        EXPECT_EQ(tclass_of(outer), 0x1du) << "beside the label";
        if (choice == FlowLabel::kFlow)
          EXPECT_NE(label_of(outer), 0u);
        else
          EXPECT_EQ(label_of(outer), choice == FlowLabel::kCopy ? own : 0u);
        if (udp) {
          EXPECT_EQ(rte_ipv6_udptcp_cksum_verify(reinterpret_cast<const rte_ipv6_hdr*>(outer.data()),
                                                 outer.data() + 40),
                    0);
        }
        expect_opened(pair, mix, outer, 0x1d, own);
      }
    }
}

TEST(Rfc6438_3, AFlowKeepsItsLabelAndOthersHaveOthers) {
  Pair pair({.tunnel = {.flow_label = FlowLabel::kFlow}}, kMixes[2]);
  const auto label = [&](const Buffer& inner) { return label_of(pair.seal(inner)); };
  const unsigned first = label(udp4("198.18.1.10", "198.18.2.10", 40));
  EXPECT_EQ(label(udp4("198.18.1.10", "198.18.2.10", 700, 0xb8, 9)), first) << "whatever else differs";
  std::set<unsigned> labels{first};
  for (std::uint16_t port = 2001; port < 2033; ++port)
    labels.insert(label(udp4("198.18.1.10", "198.18.2.10", 40, 0, 64, port)));
  labels.insert(label(udp4("198.18.1.11", "198.18.2.10", 40)));
  labels.insert(label(udp4("198.18.1.10", "198.18.2.11", 40)));
  EXPECT_GE(labels.size(), 34u) << "two of 35 may meet among a million, not more";
  EXPECT_FALSE(labels.contains(0));
  // Of a fragment the ports are not known, of the first as little as of the others.
  Buffer part = udp4("198.18.1.10", "198.18.2.10", 40), rest = part;
  store_be16(part.data() + 6, kMoreFragments);
  store_be16(rest.data() + 6, 6);
  set_ipv4_checksum(part.data()), set_ipv4_checksum(rest.data());
  EXPECT_EQ(label(part), label(rest));
  // A rekey is nothing that a router sees.
  SaOptions next = pair.options;
  next.id = 2, next.spi = Spi{0x1002};
  next.selectors = selectors("198.18.1.0/24", "198.18.2.0/24");
  ASSERT_TRUE(pair.left.registry().add_sa(make_sa(Direction::kOut, next)));
  const Buffer rekeyed = pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  EXPECT_EQ(load_be32(rekeyed.data() + 40), 0x1002u);
  EXPECT_EQ(label_of(rekeyed), first);
}

TEST(Rfc6437_2, AHashOfZeroIsNoLabelSoItIsOne) {
  const Buffer inner = udp4("198.18.1.10", "198.18.2.10");
  Headers headers{.payload = 20, .protocol = kUdp, .v4 = true};
  bool met = false;
  for (std::uint32_t i = 0; i < 1u << 24 && !met; ++i) {
    headers.sport = static_cast<std::uint16_t>(i), headers.dport = static_cast<std::uint16_t>(i >> 16);
    SipHash hash({1, 2});
    hash.add(load_be64(inner.data() + 12));
    hash.add(std::uint64_t{kUdp} << 32 | std::uint64_t{headers.sport} << 16 | headers.dport);
    met = (hash.finish() & 0xfffff) == 0;
    if (met) {
      EXPECT_EQ(flow_label({1, 2}, inner.data(), headers), 1u);
    }
  }
  EXPECT_TRUE(met);
}

TEST(Rfc4301_8_1, DfIsCopiedBesideAnotherDscpAndEcn) {
  for (const bool df : {false, true})
    for (const bool udp : {false, true}) {
      SaOptions options{.mtu = {.df = DfBit::kCopy}, .tunnel = kAll};
      if (udp) options.udp = UdpPorts{Port{4500}, Port{4500}};
      Pair pair(options);
      Buffer inner = udp4("198.18.1.10", "198.18.2.10", 100, 0xb9);
      if (df) inner = with_df(inner);
      const Buffer outer = pair.seal(inner);
      EXPECT_EQ((outer[6] & 0x40) != 0, df);
      EXPECT_EQ(outer[1], 34 << 2);
      EXPECT_EQ(ipv4_checksum_sum(outer.data(), 20), 0xffff);
      EXPECT_EQ(pair.open(outer).size(), 1u);
    }
}

TEST(Rfc7296_2_23, AnSaThatIsMovedKeepsThem) {
  for (const bool v4 : {true, false}) {
    const Mix& mix = kMixes[v4 ? 0 : 2];
    SaOptions options{.tunnel = kAll};
    options.udp = UdpPorts{Port{4500}, Port{4500}};
    Pair pair(options, mix);
    const Buffer before = pair.seal(marked(mix, 0xb9));
    SaSpec moved = *pair.left.registry().sas().front();
    moved.destination = *IpAddress::parse(v4 ? "203.0.113.9" : "2001:db8:ffff::9");
    moved.udp->destination = Port{31000};
    ASSERT_TRUE(pair.left.registry().move_sa(std::make_shared<const SaSpec>(std::move(moved))));
    const Buffer after = pair.seal(marked(mix, 0xb9));
    EXPECT_EQ(load_be16(after.data() + (v4 ? 22 : 42)), 31000) << "it has moved";
    EXPECT_EQ(ttl(after.data(), v4), 33);
    EXPECT_EQ(tclass_of(after), 34u << 2);
    EXPECT_TRUE(!v4 || ipv4_checksum_sum(after.data(), 20) == 0xffff);
    if (!v4) {
      EXPECT_EQ(label_of(after), label_of(before));
      EXPECT_NE(label_of(after), 0u);
    }
  }
}

// What is fragmented behind ESP has one outer header, copied to all pieces.
TEST(Rfc4301_8, OuterFragmentsHaveTheSameFields) {
  for (const Mix& mix : {kMixes[0], kMixes[2]}) {
    Pair pair({.mtu = {.fragmentation = Fragmentation::kAfterEsp}, .tunnel = kAll}, mix);
    const auto pieces =
        pair.left.pass(udp4(mix.inner_from, mix.inner_to, 1472, 0xb9), Origin::kProtected, kLan);
    ASSERT_EQ(pieces.size(), 2u);
    for (const Buffer& piece : pieces) {
      const Buffer ip = ip_of(piece);
      EXPECT_EQ(tclass_of(ip), 34u << 2);
      EXPECT_EQ(ttl(ip.data(), is_v4(ip)), 33);
      EXPECT_TRUE(is_v4(ip) ? ipv4_checksum_sum(ip.data(), 20) == 0xffff
                            : label_of(ip) == label_of(ip_of(pieces[0])));
    }
  }
}

}  // namespace
}  // namespace simplon::dp::test

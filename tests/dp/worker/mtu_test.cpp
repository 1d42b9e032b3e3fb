// SPDX-License-Identifier: Apache-2.0
// Packets that are too large for a tunnel or a port: exactly which they are, and what becomes of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "dp/ipsec/outer_header.h"
#include "tests/dp/hex.h"
#include "tests/dp/icmp.h"
#include "tests/dp/suites.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

// An inner packet of `size` octets that no router may fragment.
Buffer whole(const Mix& mix, unsigned size) {
  return is_v4(mix.inner_from) ? with_df(udp4(mix.inner_from, mix.inner_to, size - 28))
                               : udp6(mix.inner_from, mix.inner_to, size - 48);
}

// The outer packets put together: the fragments of one, with the ESP or UDP header in the first.
Buffer reassembled(const std::vector<Buffer>& frames) {
  std::map<unsigned, Buffer> data;
  Buffer header;
  for (const Buffer& frame : frames) {
    const Buffer ip = ip_of(frame);
    const bool v4 = ip[0] >> 4 == 4;
    EXPECT_EQ(v4 ? ip[6] & 0x40 : 0, 0) << "DF in a fragment";
    EXPECT_TRUE(v4 || ip[6] == kIpv6Fragment);
    const unsigned offset =
        v4 ? (load_be16(ip.data() + 6) & 0x1fffu) * 8 : load_be16(ip.data() + 42) & 0xfff8u;
    data[offset] = Buffer(ip.begin() + (v4 ? 20 : 48), ip.end());
    if (offset == 0) {
      header = Buffer(ip.begin(), ip.begin() + (v4 ? 20 : 40));
      if (!v4) header[6] = ip[40];
    }
  }
  for (const auto& [offset, bytes] : data) {
    EXPECT_EQ(offset + (header[0] >> 4 == 4 ? 20 : 40), header.size());
    header.insert(header.end(), bytes.begin(), bytes.end());
  }
  if (header[0] >> 4 == 4) {
    store_be16(header.data() + 2, static_cast<std::uint16_t>(header.size()));
    store_be16(header.data() + 6, 0);
    set_ipv4_checksum(header.data());
  } else {
    store_be16(header.data() + 4, static_cast<std::uint16_t>(header.size() - 40));
  }
  return header;
}

struct Row {
  Mix mix;
  EspSuite suite;
  bool udp;
  SaMode mode = SaMode::kTunnel;
  IpsecProtocol protocol = IpsecProtocol::kEsp;

  std::string text() const {
    return std::string(mix.name) + (udp ? " udp " : " ") + std::string(name(protocol)) + " " +
           std::string(name(mode)) + " " + suite_name(suite, protocol);
  }
  SaOptions options() const {
    SaOptions out{.suite = suite, .protocol = protocol, .mode = mode};
    if (udp) out.udp = UdpPorts{Port{4500}, Port{4500}};
    return out;
  }
  bool outer_v4() const { return is_v4(mode == SaMode::kTunnel ? mix.outer_from : mix.inner_from); }
  // The formula is written down here once more, from RFC 4303 §2, RFC 3948 §2.1 and RFC 4302 §2.
  unsigned largest(unsigned outer) const {
    const unsigned ip = outer_v4() ? 20 : 40, kept = mode == SaMode::kTransport ? ip : 0;
    if (protocol == IpsecProtocol::kAh) {
      const unsigned align = outer_v4() ? 4 : 8,
                     ah = (12 + suite.iv() + suite.icv() + align - 1) / align * align;
      return outer - ah - (ip - kept);
    }
    const unsigned around = ip + (udp ? 8 : 0) + 8 + suite.iv() + suite.icv(), block = suite.encr->block;
    return kept + (outer - around) / block * block - 2;
  }
};
std::vector<Row> rows() {
  std::vector<Row> out;
  for (const Mix& mix : kMixes)
    for (const SaMode mode : {SaMode::kTunnel, SaMode::kTransport}) {
      if (mode == SaMode::kTransport && is_v4(mix.inner_from) != is_v4(mix.outer_from)) continue;
      for (const bool udp : {false, true}) {
        if (udp && mode == SaMode::kTransport) continue;  // to hosts behind the gateway it is none of its own
        for (const EspSuite& suite : taken_suites()) out.push_back({mix, suite, udp, mode});
      }
      for (const EspSuite& suite : ah_suites()) out.push_back({mix, suite, false, mode, IpsecProtocol::kAh});
    }
  return out;
}

class InnerMtu : public testing::TestWithParam<Row> {};

TEST_P(InnerMtu, IsExactToTheOctet) {
  const Row& row = GetParam();
  Pair pair(row.options(), row.mix);
  const unsigned block = row.protocol == IpsecProtocol::kAh ? 1 : row.suite.encr->block,
                 largest = row.largest(1500);

  const auto fits = pair.left.pass(whole(row.mix, largest), Origin::kProtected, kLan);
  ASSERT_EQ(fits.size(), 1u);
  const std::size_t outer = ip_of(fits[0]).size();
  EXPECT_LE(outer, 1500u);
  EXPECT_GT(outer + block, 1500u);
  EXPECT_EQ(pair.open(ip_of(fits[0])).size(), 1u);

  const bool v4 = is_v4(row.mix.inner_from);
  const auto answer = told(pair.left.pass(whole(row.mix, largest + 1), Origin::kProtected, kLan));
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0], (Told{v4 ? "198.18.1.1" : "2001:db8:a::1", row.mix.inner_from, v4 ? 3u : 2u,
                             v4 ? 4u : 0u, largest}));
  EXPECT_EQ(pair.left.dropped(Drop::kTooBig), 1u);
  EXPECT_EQ(pair.left.registry().counters(SaId{1})->packets, 1u) << "no sequence number for what is not sent";
}

INSTANTIATE_TEST_SUITE_P(Rfc4301_8, InnerMtu, testing::ValuesIn(rows()), [](const auto& row) {
  std::string name = row.param.text();
  std::ranges::replace_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

TEST(Rfc4301_8, EveryOuterMtuGivesTheLargestInnerOne) {
  for (const Row& row : rows()) {
    SaOptions options = row.options();
    const bool tunnel = row.mode == SaMode::kTunnel;
    options.from = *IpAddress::parse(tunnel ? row.mix.outer_from : row.mix.inner_from);
    options.to = *IpAddress::parse(tunnel ? row.mix.outer_to : row.mix.inner_to);
    OutboundSa sa;
    make_outer_header(*make_sa(Direction::kOut, options), sa);
    for (unsigned mtu = 576; mtu <= 1520; ++mtu)
      ASSERT_EQ(inner_mtu(sa, static_cast<std::uint16_t>(mtu)), row.largest(mtu)) << row.text() << " " << mtu;
  }
}

TEST(Rfc4301_8, WithoutDfAPacketIsFragmentedBeforeEsp) {
  for (const Mix& mix : {kMixes[0], kMixes[2]}) {
    Pair pair({}, mix);
    const Buffer inner = udp4(mix.inner_from, mix.inner_to, 1472);
    const auto outer = pair.left.pass(inner, Origin::kProtected, kLan);
    ASSERT_EQ(outer.size(), 2u);
    Buffer data;
    for (const Buffer& frame : outer) {
      EXPECT_LE(ip_of(frame).size(), 1500u);
      const auto opened = pair.open(ip_of(frame));
      ASSERT_EQ(opened.size(), 1u);
      const Buffer piece = ip_of(opened[0]);
      EXPECT_EQ(piece[8], 62);
      data.insert(data.end(), piece.begin() + 20, piece.end());
    }
    EXPECT_EQ(data, Buffer(inner.begin() + 20, inner.end()));
    EXPECT_EQ(pair.left.worker().counters().fragments, 1u);
    EXPECT_EQ(pair.left.worker().counters().encrypted, 2u);
  }
}

TEST(Rfc4301_8, OrAfterItWhereTheChildSaysSo) {
  for (const Mix& mix : {kMixes[0], kMixes[2]})
    for (const bool udp : {false, true}) {
      SaOptions options{.mtu = {.fragmentation = Fragmentation::kAfterEsp}};
      if (udp) options.udp = UdpPorts{Port{4500}, Port{4500}};
      Pair pair(options, mix);
      const Buffer inner = udp4(mix.inner_from, mix.inner_to, 1472);
      const auto outer = pair.left.pass(inner, Origin::kProtected, kLan);
      ASSERT_EQ(outer.size(), 2u);
      for (const Buffer& frame : outer) EXPECT_LE(ip_of(frame).size(), 1500u);
      const auto opened = pair.open(reassembled(outer));
      ASSERT_EQ(opened.size(), 1u);
      EXPECT_EQ(ip_of(opened[0]), udp4(mix.inner_from, mix.inner_to, 1472, 0, 62));
      EXPECT_EQ(told(pair.left.pass(with_df(inner), Origin::kProtected, kLan)).size(), 1u) << "DF is obeyed";
    }
}

// RFC 8200 §5 lets nobody send less than 1280 octets on account of a router, so a tunnel carries them
// whatever its path.
TEST(Rfc2473_7_1, SmallIpv6PacketsLeaveInOuterFragments) {
  for (const Mix& mix : {kMixes[1], kMixes[3]}) {
    Pair pair({}, mix);
    ASSERT_EQ(pair.left.pass(whole(mix, 100), Origin::kProtected, kLan).size(), 1u);
    ASSERT_TRUE(pair.left.registry().learn_path_mtu(Spi{0x1001}, pair.options.to, 1, 1300));
    EXPECT_EQ(told(pair.left.pass(whole(mix, 1281), Origin::kProtected, kLan)).at(0).mtu, 1280u);
    const auto outer = pair.left.pass(whole(mix, 1280), Origin::kProtected, kLan);
    ASSERT_EQ(outer.size(), 2u);
    for (const Buffer& frame : outer) EXPECT_LE(ip_of(frame).size(), 1300u);
    EXPECT_EQ(pair.open(reassembled(outer)).size(), 1u);
  }
}

TEST(Rfc4301_8_1, DfOfTheOuterHeaderIsSetCopiedOrClear) {
  struct Case {
    DfBit df;
    bool with, without, v6;
  };
  for (const Case c : {Case{DfBit::kSet, true, true, true}, Case{DfBit::kCopy, true, false, true},
                       Case{DfBit::kClear, false, false, false}})
    for (const Mix& mix : {kMixes[0], kMixes[1]}) {
      Pair pair({.mtu = {.df = c.df}}, mix);
      const auto df = [&](const Buffer& inner) {
        const Buffer outer = pair.seal(inner);
        EXPECT_EQ(pair.open(outer).size(), 1u) << "its checksum is right";
        EXPECT_EQ(load_be16(outer.data() + 4) != 0, c.df != DfBit::kSet) << "identification (RFC 6864)";
        return (outer[6] & 0x40) != 0;
      };
      if (mix.name == kMixes[1].name) {
        EXPECT_EQ(df(whole(mix, 100)), c.v6);
      } else {
        EXPECT_EQ(df(whole(mix, 100)), c.with);
        EXPECT_EQ(df(udp4(mix.inner_from, mix.inner_to)), c.without);
      }
    }
}

// The kernel's own packets came out of a TAP; what it is told goes back into it, and not from an address of
// its own.
TEST(Rfc4301_8, TheGatewaysOwnKernelLearnsIt) {
  for (const Mix& mix : {kMixes[0], kMixes[1]}) {
    Pair pair({}, mix);
    const bool v4 = is_v4(mix.inner_from);
    const char* own = v4 ? "198.18.1.1" : "2001:db8:a::1";
    Mix from_us = mix;
    from_us.inner_from = own;
    const Buffer frame =
        frame_of({2, 0, 0, 0, 0, 9}, v4 ? kEtherTypeIpv4 : kEtherTypeIpv6, whole(from_us, 1500));
    EXPECT_TRUE(pair.left.inject(frame, kWan).empty());
    const auto punted = pair.left.punted_by_port();
    ASSERT_EQ(punted.size(), 1u);
    EXPECT_EQ(punted[0].first, kWan);
    EXPECT_EQ(told({punted[0].second}).at(0),
              (Told{mix.inner_to, own, v4 ? 3u : 2u, v4 ? 4u : 0u,
                    static_cast<unsigned>(
                        inner_mtu(*(*pair.left.registry().tables().read()->outbound)[0].sa.read(), 1500))}));
  }
}

TEST(Rfc1812_5_2_7_1, ClearPacketsAreForwardedInFragmentsOrTold) {
  Lab lab(0, true);
  lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass, 1);
  lab.protect(selectors("::/0", "::/0"), Action::kBypass, 2);
  const Buffer inner = udp4("198.18.1.10", "203.0.113.5", 1572);
  const auto out = lab.pass(inner, Origin::kProtected, kLan);
  ASSERT_EQ(out.size(), 2u);
  for (const Buffer& frame : out) {
    EXPECT_LE(ip_of(frame).size(), 1500u);
    EXPECT_EQ(ip_of(frame)[8], 63);
  }
  EXPECT_EQ(told(lab.pass(with_df(inner), Origin::kProtected, kLan)),
            (std::vector{Told{"198.18.1.1", "198.18.1.10", 3, 4, 1500}}));
  EXPECT_EQ(told(lab.pass(udp6("2001:db8:a::10", "2001:db8:ffff::77", 1500), Origin::kProtected, kLan)),
            (std::vector{Told{"2001:db8:a::1", "2001:db8:a::10", 2, 0, 1500}}));
  EXPECT_EQ(lab.dropped(Drop::kTooBig), 2u);
}

TEST(Rfc4301_8, ManyLargePacketsOfOneBurstArrive) {
  Pair pair;
  std::vector<Buffer> packets(32, udp4("198.18.1.10", "198.18.2.10", 1472));
  EXPECT_EQ(pair.left.pass(packets, Origin::kProtected, kLan).size(), 64u);
  packets.assign(32, with_df(packets[0]));
  EXPECT_EQ(told(pair.left.pass(packets, Origin::kProtected, kLan)).size(), 32u);
}

// A SYN whose only option offers 1460; its checksum is not looked at here.
Buffer syn(const Mix& mix, bool back, std::uint16_t mss = 1460) {
  const bool v4 = is_v4(mix.inner_from);
  const char *from = back ? mix.inner_to : mix.inner_from, *to = back ? mix.inner_from : mix.inner_to;
  Buffer p = v4 ? udp4(from, to, 16) : udp6(from, to, 16);
  const unsigned at = v4 ? 20 : 40;
  p[v4 ? 9 : 6] = kTcp;
  if (v4) set_ipv4_checksum(p.data());
  p[at + 12] = 0x60;
  p[at + 13] = back ? 0x12 : 0x02;
  std::ranges::copy(hex("02040000"), p.begin() + at + 20);
  store_be16(p.data() + at + 22, mss);
  return p;
}
unsigned mss_of(const Buffer& frame) {
  const Buffer p = ip_of(frame);
  return load_be16(p.data() + (p[0] >> 4 == 4 ? 42 : 62));
}

// Both ends have both SAs: a SYN is lowered as it enters the tunnel and as it leaves it.
TEST(Rfc4459_3_2, SynsOfBothDirectionsOfferWhatFitsIntoTheTunnel) {
  struct Case {
    std::uint16_t mss, offered;
    unsigned out, back;
  };
  for (const Mix& mix : kMixes) {
    const unsigned around = (is_v4(mix.outer_from) ? 20 : 40) + 8 + 8 + 16,
                   headers = is_v4(mix.inner_from) ? 40 : 60;
    const unsigned fits = (1500 - around) / 4 * 4 - 2 - headers;
    for (const Case c : {Case{kMssAuto, 1460, fits, fits}, Case{kMssAuto, 536, 536, 536},
                         Case{kMssOff, 1460, 1460, 1460}, Case{1000, 1460, 1000, 1000}}) {
      Pair pair({.mtu = {.mss = c.mss}}, mix);
      const auto opened = pair.open(pair.seal(syn(mix, false, c.offered)));
      ASSERT_EQ(opened.size(), 1u);
      EXPECT_EQ(mss_of(opened[0]), c.out);
      // The other way: the right end only decrypts here, so it is given the SA that answers take.
      SaOptions answers = pair.options;
      answers.id = 2;
      answers.spi = Spi{0x2002};
      answers.from = pair.options.to, answers.to = pair.options.from;
      answers.selectors = selectors(mix.remote, mix.local);
      ASSERT_TRUE(pair.right.registry().add_sa(make_sa(Direction::kOut, answers)));
      const auto again = pair.open(pair.seal(syn(mix, false, c.offered)));
      ASSERT_EQ(again.size(), 1u);
      EXPECT_EQ(mss_of(again[0]), c.back);
    }
  }
}

TEST(Rfc4459_3_2, ASynOutOfATunnelIsLoweredByTheSaThatItsAnswersTake) {
  for (const Mix& mix : kMixes) {
    Pair pair({.mtu = {.mss = kMssOff}}, mix);
    SaOptions answers = pair.options;
    answers.mtu.mss = 1200;
    answers.id = 2;
    answers.from = pair.options.to, answers.to = pair.options.from;
    answers.selectors = selectors(mix.remote, mix.local);
    ASSERT_TRUE(pair.right.registry().add_sa(make_sa(Direction::kOut, answers)));
    const auto opened = pair.open(pair.seal(syn(mix, false)));
    ASSERT_EQ(opened.size(), 1u);
    EXPECT_EQ(mss_of(opened[0]), 1200u);
  }
}

}  // namespace
}  // namespace simplon::dp::test

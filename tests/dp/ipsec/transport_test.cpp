// SPDX-License-Identifier: Apache-2.0
// Transport mode of ESP and AH: what stays of a packet, and what may not go through it.
#include <gtest/gtest.h>

#include <cctype>

#include "tests/dp/fragments.h"
#include "tests/dp/icmp.h"
#include "tests/dp/suites.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

struct Row {
  Mix mix;
  EspSuite suite;
  IpsecProtocol protocol = IpsecProtocol::kEsp;
  Esn esn = Esn::kOff;
};
std::vector<Row> rows() {
  std::vector<Row> out;
  for (const Mix& mix : {kMixes[0], kMixes[3]})
    for (const Esn esn : {Esn::kOff, Esn::kOn}) {
      for (const EspSuite& suite : taken_suites()) out.push_back({mix, suite, IpsecProtocol::kEsp, esn});
      for (const EspSuite& suite : ah_suites()) out.push_back({mix, suite, IpsecProtocol::kAh, esn});
    }
  return out;
}
bool is_v4(const Mix& mix) { return mix.inner_from[3] == '.'; }
Buffer udp(const Mix& mix, unsigned payload, std::uint8_t ttl = 64) {
  return is_v4(mix) ? udp4(mix.inner_from, mix.inner_to, payload, 0, ttl)
                    : udp6(mix.inner_from, mix.inner_to, payload, ttl);
}
SaOptions transport(const Row& row) {
  return {.suite = row.suite, .esn = row.esn, .protocol = row.protocol, .mode = SaMode::kTransport};
}

class Transport : public testing::TestWithParam<Row> {};

TEST_P(Transport, KeepsTheAddressesAndRoundTrips) {
  const Row& row = GetParam();
  Pair pair(transport(row), row.mix);
  const bool v4 = is_v4(row.mix);
  for (const unsigned payload : {0u, 1u, 13u, 64u, 1000u}) {
    const Buffer inner = udp(row.mix, payload), sealed = pair.seal(inner);
    ASSERT_GT(sealed.size(), inner.size());
    EXPECT_EQ(sealed[v4 ? 9 : 6], row.protocol == IpsecProtocol::kAh ? kAh : kEsp);
    const std::size_t from = v4 ? 12 : 8, addresses = v4 ? 8 : 32;
    EXPECT_TRUE(std::equal(inner.begin() + from, inner.begin() + from + addresses, sealed.begin() + from));
    EXPECT_EQ(v4 ? ipv4_checksum_sum(sealed.data(), 20) : 0xffff, 0xffff);
    const auto out = pair.open(sealed);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(ip_of(out[0]), udp(row.mix, payload, 62));
  }
  EXPECT_EQ(pair.right.registry().counters(SaId{1})->packets, 5u);
}

INSTANTIATE_TEST_SUITE_P(Rfc4301_4_1, Transport, testing::ValuesIn(rows()), [](const auto& info) {
  const Row& row = info.param;
  std::string out = std::string(name(row.protocol)) + "_" + suite_name(row.suite, row.protocol) + "_" +
                    (is_v4(row.mix) ? "v4" : "v6") + (row.esn == Esn::kOn ? "_esn" : "");
  std::ranges::replace_if(out, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return out;
});

const SaOptions kEspTransport{.mode = SaMode::kTransport};
const SaOptions kAhSha256{
    .suite = *find_ah_suite("sha256"), .protocol = IpsecProtocol::kAh, .mode = SaMode::kTransport};

// An SA in transport mode from left, at `from`, to the host `to`, right's own; right sees it come from
// `seen`.
struct Ends {
  Lab left{0, true}, right{1, false};

  Ends(SaOptions options, const char* from, const char* seen, const char* to) {
    left.protect(selectors(from, to), Action::kProtect, 1, 10, options.mode);
    right.protect(selectors(to, seen), Action::kProtect, 1, 10, options.mode);
    options.from = *IpAddress::parse(from);
    options.to = *IpAddress::parse(to);
    options.selectors = selectors(from, to);
    EXPECT_TRUE(left.registry().add_sa(make_sa(Direction::kOut, options)));
    options.from = *IpAddress::parse(seen);
    options.selectors = selectors(to, seen);
    EXPECT_TRUE(right.registry().add_sa(make_sa(Direction::kIn, options)));
  }
};
const SaOptions kInUdp{.udp = UdpPorts{Port{4500}, Port{4500}}, .mode = SaMode::kTransport};

// A packet with IPv4 options: record route, router alert, end.
Buffer with_options(const Buffer& plain) {
  Buffer p(plain.begin(), plain.begin() + 20);
  p.insert(p.end(), {7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 0});
  p.insert(p.end(), plain.begin() + 20, plain.end());
  p[0] = 0x48;
  store_be16(p.data() + 2, static_cast<std::uint16_t>(p.size()));
  set_ipv4_checksum(p.data());
  return p;
}
// With a hop-by-hop header (one option that may change, one that may not) and destination options.
Buffer with_extensions(const Buffer& plain) {
  Buffer p(plain.begin(), plain.begin() + 40);
  p.insert(p.end(), {kIpv6Destination, 0, 0x3e, 1, 0xaa, 0x1e, 1, 0xbb, kUdp, 0, 1, 4, 0, 0, 0, 0});
  p.insert(p.end(), plain.begin() + 40, plain.end());
  p[6] = kIpv6HopByHop;
  store_be16(p.data() + 4, static_cast<std::uint16_t>(p.size() - 40));
  return p;
}

TEST(Rfc4303_3_1_1, OptionsAndExtensionHeadersStayBeforeEsp) {
  for (const SaOptions& options : {kEspTransport, kAhSha256})
    for (const Mix& mix : {kMixes[0], kMixes[3]}) {
      Pair pair(options, mix);
      const auto longer = [&](std::uint8_t ttl) {
        return is_v4(mix) ? with_options(udp(mix, 100, ttl)) : with_extensions(udp(mix, 100, ttl));
      };
      const Buffer sealed = pair.seal(longer(64));
      const std::size_t headers = is_v4(mix) ? 32 : 56;
      EXPECT_EQ(sealed[is_v4(mix) ? 9 : 48], options.protocol == IpsecProtocol::kAh ? kAh : kEsp);
      EXPECT_EQ(load_be32(sealed.data() + headers + (options.protocol == IpsecProtocol::kAh ? 4 : 0)),
                0x1001u);
      const auto out = pair.open(sealed);
      ASSERT_EQ(out.size(), 1u);
      EXPECT_EQ(ip_of(out[0]), longer(62));
    }
}

TEST(Rfc4301_8, OptionsCountWhenAPacketIsMeasured) {
  Pair pair(kEspTransport);
  const unsigned most = 1500 - 20 - 8 - 8 - 16 - 2 - ((1500 - 20 - 8 - 8 - 16) % 4) + 20;
  EXPECT_EQ(
      pair.left.pass(with_df(udp4("198.18.1.10", "198.18.2.10", most - 28)), Origin::kProtected, kLan).size(),
      1u);
  // As long, but with twelve octets of options: ESP is aligned behind them as before.
  EXPECT_EQ(pair.left
                .pass(with_df(with_options(udp4("198.18.1.10", "198.18.2.10", most - 40))),
                      Origin::kProtected, kLan)
                .size(),
            1u);
  Pair blocks({.suite = *find_suite("aes128-sha256"), .mode = SaMode::kTransport});
  for (unsigned size = 1380; size < 1500; ++size)
    for (const auto& frame : blocks.left.pass(
             with_df(with_options(udp4("198.18.1.10", "198.18.2.10", size - 40))), Origin::kProtected, kLan))
      EXPECT_LE(ip_of(frame).size(), 1500u);
}

TEST(Rfc4303_3_3_4, FragmentsArePutTogetherAndProtectedWhole) {
  for (const SaOptions& options : {kEspTransport, kAhSha256})
    for (const Mix& mix : {kMixes[0], kMixes[3]}) {
      Pair pair(options, mix);
      const Buffer whole = udp(mix, 1200);
      const auto sealed = pair.left.pass(cut(whole, 600), Origin::kProtected, kLan);
      ASSERT_EQ(sealed.size(), 1u) << "one ESP packet of both fragments";
      const auto out = pair.open(ip_of(sealed[0]));
      ASSERT_EQ(out.size(), 1u);
      Buffer got = ip_of(out[0]);
      EXPECT_EQ(Buffer(got.end() - 1208, got.end()), Buffer(whole.end() - 1208, whole.end()));
    }
}

// RFC 4302 §3.3.4: the sender authenticated the packet before it was fragmented on its way.
TEST(Rfc4302_3_3_4, FragmentsOfIpv6AreOneAsItWas) {
  for (const SaOptions& options : {kEspTransport, kAhSha256}) {
    const char *from = "2001:db8:ffff::5", *to = "2001:db8:ffff::2";
    Ends ends(options, from, from, to);
    const auto sealed = ends.left.pass(udp6(from, to, 1200), Origin::kProtected, kLan);
    ASSERT_EQ(sealed.size(), 1u);
    for (const Buffer& piece : cut(ip_of(sealed[0]), 640)) ends.right.pass(piece, Origin::kUnprotected, kWan);
    const auto punted = ends.right.punted();
    ASSERT_EQ(punted.size(), 1u) << name(options.protocol);
    EXPECT_EQ(ip_of(punted[0]), udp6(from, to, 1200, 63));
  }
}

TEST(Rfc4303_3_3_4, FragmentsThatAreTooLargeTogetherAreCutAnew) {
  for (const SaOptions& options : {kEspTransport, kAhSha256}) {
    Pair pair(options, kMixes[3]);
    const Buffer whole = udp6(kMixes[3].inner_from, kMixes[3].inner_to, 1700);
    const auto sealed = pair.left.pass(cut(whole, 1024), Origin::kProtected, kLan);
    ASSERT_EQ(sealed.size(), 2u) << name(options.protocol);
    pair.open(joined(sealed));
    EXPECT_EQ(pair.right.registry().counters(SaId{1})->packets, 1u);
  }
}

TEST(Rfc3948_5_2, TwoPeersBehindOneNatAreNotMixedUp) {
  Lab lab{0, true};
  SaOptions first{.from = *IpAddress::parse("198.51.100.1"),
                  .to = *IpAddress::parse("203.0.113.77"),
                  .selectors = selectors("198.51.100.1", "203.0.113.77"),
                  .udp = UdpPorts{Port{4500}, Port{4500}},
                  .mode = SaMode::kTransport};
  lab.protect(first.selectors, Action::kProtect, 1, 10, first.mode);
  ASSERT_TRUE(lab.registry().add_sa(make_sa(Direction::kOut, first)));
  SaOptions second = first;
  second.id = 2, second.spi = Spi{0x1002}, second.udp = UdpPorts{Port{4500}, Port{31000}};
  const auto refused = lab.registry().add_sa(make_sa(Direction::kOut, second));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("cannot tell two peers apart"), std::string::npos);
  second.udp = first.udp;  // a rekey
  EXPECT_TRUE(lab.registry().add_sa(make_sa(Direction::kOut, second)));
}

TEST(Rfc4303_3_3_4, WhatIsTooLargeIsFragmentedBehindIt) {
  for (const SaOptions& options : {kEspTransport, kAhSha256}) {
    Pair pair(options);
    const Buffer whole = udp4("198.18.1.10", "198.18.2.10", 1470);
    const auto outer = pair.left.pass(whole, Origin::kProtected, kLan);
    ASSERT_EQ(outer.size(), 2u);
    const auto out = pair.open(joined(outer));
    ASSERT_EQ(out.size(), 1u);
    const Buffer got = ip_of(out[0]);
    EXPECT_EQ(Buffer(got.begin() + 20, got.end()), Buffer(whole.begin() + 20, whole.end()));
  }
}

TEST(Rfc3948_3_1_2, UdpCarriesEspInTransportMode) {
  for (const bool v4 : {true, false}) {
    const char *from = v4 ? "203.0.113.5" : "2001:db8:ffff::5",
               *to = v4 ? "198.51.100.2" : "2001:db8:ffff::2";
    Ends ends(kInUdp, from, from, to);
    const auto packet = [&](std::uint8_t ttl) {
      return v4 ? udp4(from, to, 33, 0, ttl) : udp6(from, to, 33, ttl);
    };
    const auto sealed = ends.left.pass(packet(64), Origin::kProtected, kLan);
    ASSERT_EQ(sealed.size(), 1u);
    const Buffer ip = ip_of(sealed[0]);
    EXPECT_EQ(ip[v4 ? 9 : 6], kUdp);
    EXPECT_EQ(load_be16(ip.data() + (v4 ? 24 : 44)), ip.size() - (v4 ? 20 : 40));
    EXPECT_TRUE(ends.right.pass(ip, Origin::kUnprotected, kWan).empty());
    const auto punted = ends.right.punted();
    ASSERT_EQ(punted.size(), 1u);
    EXPECT_EQ(ip_of(punted[0]), packet(63));
  }
}

// The sum of the pseudo header and the segment; 0xffff when the checksum is right.
unsigned checksum_of(const Buffer& ip) {
  Buffer all(ip.begin() + 12, ip.end());  // addresses and segment
  const unsigned length = static_cast<unsigned>(ip.size()) - 20;
  all.insert(all.begin(),
             {0, ip[9], static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length)});
  if (all.size() % 2 != 0) all.push_back(0);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < all.size(); i += 2) sum += load_be16(all.data() + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<unsigned>(sum);
}

TEST(Rfc3948_3_1_2, ChecksumIsOfTheAddressesThatTheNatMade) {
  for (const std::uint8_t protocol : {kTcp, kUdp}) {
    const char *inside = "203.0.113.5", *nat = "203.0.113.77", *to = "198.51.100.2";
    Ends ends(kInUdp, inside, nat, to);
    Buffer packet = udp4(inside, to, 33);
    packet[9] = protocol;
    set_ipv4_checksum(packet.data());
    std::uint8_t* field = packet.data() + (protocol == kTcp ? 36 : 26);
    store_be16(field, 0);
    store_be16(field, static_cast<std::uint16_t>(~checksum_of(packet)));
    ASSERT_EQ(checksum_of(packet), 0xffffu);
    const auto sealed = ends.left.pass(packet, Origin::kProtected, kLan);
    ASSERT_EQ(sealed.size(), 1u);
    Buffer ip = ip_of(sealed[0]);
    std::ranges::copy(IpAddress::parse(nat)->bytes(), ip.begin() + 12);
    set_ipv4_checksum(ip.data());
    ends.right.pass(ip, Origin::kUnprotected, kWan);
    const auto punted = ends.right.punted();
    ASSERT_EQ(punted.size(), 1u);
    EXPECT_EQ(checksum_of(ip_of(punted[0])), 0xffffu);
  }
}

TEST(Rfc4301_4_1, TransportModeIsForTheTwoEndsAlone) {
  SaOptions wide{.selectors = selectors("198.18.1.0/24", "198.18.2.10"), .mode = SaMode::kTransport};
  wide.from = *IpAddress::parse("198.18.1.10");
  wide.to = *IpAddress::parse("198.18.2.10");
  Lab lab{0, true};
  const auto refused = lab.registry().add_sa(make_sa(Direction::kOut, wide));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("use tunnel mode"), std::string::npos);
}

// RFC 4301 §5.2: in clear it is refused, as everything that a PROTECT entry is for.
TEST(Rfc4301_5_2, InClearOrByAnotherProtocolItDoesNotPass) {
  Pair esp(kEspTransport), ah(kAhSha256);
  EXPECT_TRUE(esp.right.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kUnprotected, kWan).empty());
  EXPECT_EQ(esp.right.dropped(Drop::kClearNotAllowed), 1u);
  const Buffer by_esp = esp.seal(udp4("198.18.1.10", "198.18.2.10")),
               by_ah = ah.seal(udp4("198.18.1.10", "198.18.2.10"));
  EXPECT_TRUE(ah.open(by_esp).empty());
  EXPECT_TRUE(esp.open(by_ah).empty());
  // Of the other protocol there is no SA, and what is in transit to somebody else is clear to this gateway.
  EXPECT_EQ(ah.right.dropped(Drop::kClearNotAllowed), 1u);
  EXPECT_EQ(esp.right.dropped(Drop::kClearNotAllowed), 2u);
}

}  // namespace
}  // namespace simplon::dp::test

// SPDX-License-Identifier: Apache-2.0
// Transport mode over IPv6, where packets have more headers than one, and checksums of more protocols are of
// the addresses.
#include <gtest/gtest.h>

#include "tests/dp/fragments.h"
#include "tests/dp/icmp.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

const SaOptions kEspTransport{.mode = SaMode::kTransport};
const SaOptions kAhSha256{
    .suite = *find_ah_suite("sha256"), .protocol = IpsecProtocol::kAh, .mode = SaMode::kTransport};
const SaOptions kInUdp{.udp = UdpPorts{Port{4500}, Port{4500}}, .mode = SaMode::kTransport};

// An SA in transport mode from a host behind left to right itself, which sees the host as `seen`.
constexpr const char *kFrom = "2001:db8:ffff::5", *kTo = "2001:db8:ffff::2";
struct Ends {
  Lab left{0, true}, right{1, false};

  explicit Ends(SaOptions options, const char* seen = kFrom) {
    left.protect(selectors(kFrom, kTo), Action::kProtect, 1, 10, options.mode);
    right.protect(selectors(kTo, seen), Action::kProtect, 1, 10, options.mode);
    options.to = *IpAddress::parse(kTo);
    options.from = *IpAddress::parse(kFrom);
    options.selectors = selectors(kFrom, kTo);
    EXPECT_TRUE(left.registry().add_sa(make_sa(Direction::kOut, options)));
    options.from = *IpAddress::parse(seen);
    options.selectors = selectors(kTo, seen);
    EXPECT_TRUE(right.registry().add_sa(make_sa(Direction::kIn, options)));
  }
  // What right's kernel gets of these frames.
  Buffer received(const std::vector<Buffer>& frames) {
    for (const Buffer& frame : frames)
      EXPECT_TRUE(right.pass(ip_of(frame), Origin::kUnprotected, kWan).empty());
    const auto punted = right.punted();
    EXPECT_EQ(punted.size(), 1u);
    return punted.empty() ? Buffer{} : ip_of(punted[0]);
  }
};

// Hop-by-hop options (one that may change on the way, one that may not), and destination options.
constexpr unsigned kHopByHopEnd = 48, kOptionsEnd = 56;
Buffer with_options(const Buffer& plain) {
  Buffer p(plain.begin(), plain.begin() + kIpv6Bytes);
  p.insert(p.end(), {kIpv6Destination, 0, 0x3e, 1, 0xaa, 0x1e, 1, 0xbb, plain[6], 0, 1, 4, 0, 0, 0, 0});
  p.insert(p.end(), plain.begin() + kIpv6Bytes, plain.end());
  p[6] = kIpv6HopByHop;
  store_be16(p.data() + 4, static_cast<std::uint16_t>(p.size() - kIpv6Bytes));
  return p;
}
// With a routing header that has nothing left to go to, behind destination options.
Buffer with_route(const Buffer& plain) {
  Buffer p(plain.begin(), plain.begin() + kIpv6Bytes);
  p.insert(p.end(), {kIpv6Routing, 0, 1, 4, 0, 0, 0, 0, plain[6], 2, 2, 0, 0, 0, 0, 0});
  p.insert(p.end(), 16, 0xcc);
  p.insert(p.end(), plain.begin() + kIpv6Bytes, plain.end());
  p[6] = kIpv6Destination;
  store_be16(p.data() + 4, static_cast<std::uint16_t>(p.size() - kIpv6Bytes));
  return p;
}
// As an atomic fragment (RFC 6946).
Buffer atomic(const Buffer& plain) {
  Buffer p(plain.begin(), plain.begin() + kIpv6Bytes);
  p.insert(p.end(), {plain[6], 0, 0, 0, 1, 2, 3, 4});
  p.insert(p.end(), plain.begin() + kIpv6Bytes, plain.end());
  p[6] = kIpv6Fragment;
  store_be16(p.data() + 4, static_cast<std::uint16_t>(p.size() - kIpv6Bytes));
  return p;
}

// What routers read stands in every fragment, and before its fragment header.
TEST(Rfc8200_4_5, HeadersForTheWayStandInEveryFragmentOfEsp) {
  for (const SaOptions& options : {kEspTransport, kAhSha256}) {
    Ends ends(options);
    const auto host = [](std::uint8_t hops) { return with_options(udp6(kFrom, kTo, 1700, hops)); };
    const auto sealed = ends.left.pass(cut(host(64), 1024, 7, kHopByHopEnd), Origin::kProtected, kLan);
    ASSERT_EQ(sealed.size(), 2u) << name(options.protocol);
    for (const Buffer& frame : sealed) {
      const Buffer piece = ip_of(frame);
      EXPECT_LE(piece.size(), 1500u);
      EXPECT_EQ(piece[6], kIpv6HopByHop);
      EXPECT_EQ(piece[kIpv6Bytes], kIpv6Fragment);
      EXPECT_EQ(piece[kHopByHopEnd], kIpv6Destination);
    }
    EXPECT_EQ(ends.received(sealed), host(63)) << name(options.protocol);
  }
}

TEST(Rfc8200_4_5, SmallPacketsOfAnyHeadersPassANarrowPath) {
  struct Case {
    const char* what;
    Buffer (*made)(const Buffer&);
    unsigned names;  // where the fragment header is named
  };
  for (const SaOptions& options : {kEspTransport, kAhSha256})
    for (const Case& c : {Case{"options", with_options, 40}, Case{"route", with_route, 48},
                          Case{"atomic fragment", atomic, 6}}) {
      SCOPED_TRACE(std::string(name(options.protocol)) + " " + c.what);
      Ends ends(options);
      ASSERT_EQ(ends.left.pass(udp6(kFrom, kTo), Origin::kProtected, kLan).size(), 1u);
      ASSERT_TRUE(ends.left.registry().learn_path_mtu(Spi{0x1001}, *IpAddress::parse(kTo), 1, 1290));
      const auto payload = static_cast<unsigned>(1280 - c.made(udp6(kFrom, kTo, 0)).size());
      const auto sealed = ends.left.pass(c.made(udp6(kFrom, kTo, payload)), Origin::kProtected, kLan);
      ASSERT_EQ(sealed.size(), 2u);
      for (const Buffer& frame : sealed) {
        EXPECT_LE(ip_of(frame).size(), 1290u);
        EXPECT_EQ(ip_of(frame)[c.names], kIpv6Fragment);
      }
      const Buffer plain = udp6(kFrom, kTo, payload, 63);
      EXPECT_EQ(ends.received(sealed), c.made == atomic ? plain : c.made(plain));
    }
}

// The sum of the pseudo header and the segment behind `at` octets of headers; 0xffff when the checksum is
// right.
unsigned checksum_of(const Buffer& ip, std::uint8_t protocol, std::size_t at) {
  std::uint64_t sum = protocol + ip.size() - at;
  const auto add = [&](std::size_t first, std::size_t end) {
    for (std::size_t i = first; i < end; i += 2)
      sum += (unsigned{ip[i]} << 8) + (i + 1 < end ? unsigned{ip[i + 1]} : 0u);
  };
  add(8, 40);
  add(at, ip.size());
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<unsigned>(sum);
}

TEST(Rfc3948_3_1_2, ChecksumsOfIpv6AreOfTheAddressesThatTheNatMade) {
  struct Case {
    std::uint8_t protocol;
    unsigned field;
  };
  const char* nat = "2001:db8:ffff::77";
  for (const Case c : {Case{kTcp, 56}, Case{kUdp, 46}, Case{kIcmpv6, 42}})
    for (const bool options : {false, true}) {
      SCOPED_TRACE(std::to_string(c.protocol) + (options ? " behind options" : ""));
      Ends ends(kInUdp, nat);
      Buffer packet = udp6(kFrom, kTo, 33);
      packet[6] = c.protocol;
      if (c.protocol == kIcmpv6) packet[40] = 128, packet[41] = 0;
      store_be16(packet.data() + c.field, 0);
      store_be16(packet.data() + c.field,
                 static_cast<std::uint16_t>(~checksum_of(packet, c.protocol, kIpv6Bytes)));
      const auto sealed = ends.left.pass(options ? with_options(packet) : packet, Origin::kProtected, kLan);
      ASSERT_EQ(sealed.size(), 1u);
      Buffer ip = sealed[0];
      std::ranges::copy(IpAddress::parse(nat)->bytes(), ip.begin() + kEthernetBytes + 8);
      const Buffer got = ends.received({ip});
      ASSERT_FALSE(got.empty());
      EXPECT_EQ(checksum_of(got, c.protocol, options ? kOptionsEnd : kIpv6Bytes), 0xffffu);
    }
}

}  // namespace
}  // namespace simplon::dp::test

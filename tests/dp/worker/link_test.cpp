// SPDX-License-Identifier: Apache-2.0
// What neighbours on a link are told: that the gateway is a router, and packets for their groups.
#include <gtest/gtest.h>
#include <rte_ip.h>

#include "tests/dp/icmp.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

constexpr std::uint8_t kSolicited = 0x60, kRouterSolicitedOverride = 0xe0;  // RFC 4861 §4.4

// A neighbour advertisement as the gateway's kernel makes it.
Buffer advertisement(std::uint32_t flags) {
  Buffer target(16);
  std::ranges::copy(IpAddress::parse("2001:db8:a::1")->bytes(), target.begin());
  Buffer p = icmp6("2001:db8:a::1", "2001:db8:a::10", kNeighbourAdvertisement, 0, flags, target);
  p[7] = 255;
  const std::uint16_t sum =
      rte_ipv6_udptcp_cksum(reinterpret_cast<const rte_ipv6_hdr*>(p.data()), p.data() + kIpv6Bytes);
  std::memcpy(p.data() + 42, &sum, sizeof sum);
  return p;
}
bool checksum_is_right(const Buffer& ip) {
  return rte_ipv6_udptcp_cksum_verify(reinterpret_cast<const rte_ipv6_hdr*>(ip.data()),
                                      ip.data() + kIpv6Bytes) == 0;
}

// RFC 4861 §7.3.3: a neighbour that says that it is no router any more is no default router any more.
TEST(Rfc4861_7_3_3, TheGatewaySaysThatItIsARouter) {
  for (const std::uint32_t flags :
       {std::uint32_t{kSolicited} << 24, 0u, std::uint32_t{kRouterSolicitedOverride} << 24})
    for (const PortIndex port : {kLan, kWan}) {
      Lab lab(0, true);
      const auto frames =
          lab.inject(frame_of(Mac{2, 0, 0, 0, 0, 9}, kEtherTypeIpv6, advertisement(flags)), port);
      ASSERT_EQ(frames.size(), 1u);
      const Buffer sent = ip_of(frames[0]);
      EXPECT_EQ(load_be32(sent.data() + 44), flags | 0x80000000u);
      EXPECT_TRUE(checksum_is_right(sent));
      lab.registry().set_gateway(false);
      ASSERT_TRUE(lab.registry().commit());
      const auto off =
          lab.inject(frame_of(Mac{2, 0, 0, 0, 0, 9}, kEtherTypeIpv6, advertisement(flags)), port);
      ASSERT_EQ(off.size(), 1u);
      EXPECT_EQ(ip_of(off[0]), advertisement(flags)) << "a gateway that is off does not forward";
    }
}

// RFC 1112 §6.4, RFC 2464 §7: nobody is asked for a group's MAC address.
TEST(Rfc1112_6_4, AGroupOutOfATunnelIsSentToItsMacAddress) {
  struct Case {
    const char *source, *group, *route, *all;
    Mac mac;
  };
  for (const Case& c :
       {Case{"198.18.1.10", "239.129.2.3", "239.0.0.0/8", "0.0.0.0/0", {0x01, 0, 0x5e, 1, 2, 3}},
        Case{"2001:db8:a::10", "ff3e::7:8", "ff3e::/16", "::/0", {0x33, 0x33, 0, 7, 0, 8}}}) {
    SCOPED_TRACE(c.group);
    const bool v4 = c.group[0] == '2';
    const Mix mix{"multicast", c.source, c.group, c.all, c.route, "198.51.100.1", "198.51.100.2"};
    Pair pair({}, mix);
    const auto packet = [&](std::uint8_t ttl) {
      return v4 ? udp4(c.source, c.group, 40, 0, ttl) : udp6(c.source, c.group, 40, ttl);
    };
    const auto outer = pair.left.pass(packet(9), Origin::kProtected, kLan);
    ASSERT_EQ(outer.size(), 1u);
    NetworkSpec network;
    network.addresses = {{*IpAddress::parse("198.51.100.2"), kWan}};
    pair.right.registry().set_network(network);
    ASSERT_TRUE(pair.right.registry().commit());
    EXPECT_TRUE(pair.open(ip_of(outer[0])).empty());
    EXPECT_EQ(pair.right.dropped(Drop::kNoPolicy), 1u) << "the routes say where the group is";
    network.routes = {{*Prefix::parse(c.route), std::nullopt, kLan}};
    pair.right.registry().set_network(network);
    ASSERT_TRUE(pair.right.registry().commit());
    const auto second = pair.left.pass(packet(9), Origin::kProtected, kLan);
    ASSERT_EQ(second.size(), 1u);
    const auto frames = pair.open(ip_of(second[0]));
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_TRUE(std::equal(c.mac.begin(), c.mac.end(), frames[0].begin()));
    EXPECT_EQ(ip_of(frames[0]).at(v4 ? 8 : 7), 7) << "two gateways have counted";
    EXPECT_TRUE(pair.right.events().empty()) << "nobody was asked";
  }
}

}  // namespace
}  // namespace simplon::dp::test

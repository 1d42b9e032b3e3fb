// SPDX-License-Identifier: Apache-2.0
// What neighbours on a link are told: that the gateway is a router.
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

}  // namespace
}  // namespace simplon::dp::test

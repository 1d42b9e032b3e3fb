// SPDX-License-Identifier: Apache-2.0
// What a worker does with an Ethernet frame before it looks at the IP packet in it.
#include <gtest/gtest.h>

#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

const Mac kLanMac{2, 0, 0, 0, 0, 1}, kWanMac{2, 0, 0, 0, 0, 2}, kStranger{2, 0, 0, 0, 0, 7},
    kAll{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, kGroup{1, 0, 0x5e, 0, 0, 5};

class Frames : public testing::Test {
 protected:
  Frames() : lab(0, true) { lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass); }
  Lab lab;
};

TEST_F(Frames, OfOurMacAreForwardedAndOfAnotherAreNot) {
  const Buffer packet = udp4("198.18.1.10", "203.0.113.5");
  EXPECT_EQ(lab.receive(frame_of(kLanMac, kEtherTypeIpv4, packet), kLan).size(), 1u);
  EXPECT_EQ(lab.receive(frame_of(kStranger, kEtherTypeIpv4, packet), kLan).size(), 0u);
  EXPECT_EQ(lab.dropped(Drop::kNotForUs), 1u);
}

// RFC 1812 §5.3.4: MUST NOT.
TEST_F(Frames, ToAllOfALinkAreNotForwardedToASingleAddress) {
  for (const Mac& mac : {kAll, kGroup}) {
    EXPECT_EQ(lab.receive(frame_of(mac, kEtherTypeIpv4, udp4("198.18.1.10", "203.0.113.5")), kLan).size(),
              0u);
    EXPECT_EQ(lab.receive(frame_of(mac, kEtherTypeIpv4, udp4("203.0.113.5", "198.18.1.10")), kWan).size(),
              0u);
    EXPECT_EQ(
        lab.receive(frame_of(mac, kEtherTypeIpv6, udp6("2001:db8:a::9", "2001:db8:ffff::9")), kLan).size(),
        0u);
  }
  EXPECT_EQ(lab.dropped(Drop::kNotForUs), 6u);
  for (const char* to : {"224.0.0.5", "255.255.255.255", "198.18.1.1"})
    lab.receive(frame_of(kAll, kEtherTypeIpv4, udp4("198.18.1.10", to)), kLan);
  EXPECT_EQ(lab.punted().size(), 3u);
  lab.receive(frame_of(kAll, kEtherTypeIpv4, {0x45, 0}), kLan);
  lab.receive(frame_of(kAll, kEtherTypeIpv4, {}), kLan);
  lab.receive(frame_of(kGroup, kEtherTypeIpv6, {}), kLan);
  EXPECT_EQ(lab.dropped(Drop::kRunt), 3u);
}

// The kernel takes a frame only by the interface whose MAC it has.
TEST_F(Frames, ForAnAddressOfAnotherPortOfOursReachTheKernelByTheirOwn) {
  const Buffer frame = frame_of(kLanMac, kEtherTypeIpv4, udp4("198.18.1.10", "198.51.100.1"));
  lab.receive(frame, kLan);
  const auto punted = lab.punted_by_port();
  ASSERT_EQ(punted.size(), 1u);
  EXPECT_EQ(punted[0].first, kLan);
  EXPECT_EQ(punted[0].second, frame);
}

// IKE and the resolution of neighbours have a ring of their own: a flood of the rest fills the other one.
TEST_F(Frames, ThatTheHostCannotDoWithoutAreNotBehindAFlood) {
  for (int i = 0; i < 300; ++i)
    lab.receive(frame_of(kWanMac, kEtherTypeIpv4, udp4("203.0.113.5", "198.51.100.1")), kWan);
  EXPECT_GT(lab.dropped(Drop::kPuntFull), 0u);
  const std::uint64_t lost = lab.dropped(Drop::kPuntFull);
  const auto ike = [&](std::uint16_t port) {
    Buffer p = udp4("203.0.113.5", "198.51.100.1");
    store_be16(p.data() + kIpv4Bytes + 2, port);
    for (unsigned i = 0; i < 4; ++i) p[kIpv4Bytes + kUdpBytes + i] = 0;  // the non-ESP marker
    return frame_of(kWanMac, kEtherTypeIpv4, p);
  };
  Buffer solicitation = udp6("2001:db8:ffff::9", "2001:db8:ffff::1");
  solicitation[6] = kIcmpv6;
  solicitation[kIpv6Bytes] = 135;
  lab.receive(ike(500), kWan);
  lab.receive(ike(4500), kWan);
  lab.receive(frame_of(kAll, kEtherTypeArp, Buffer(28)), kWan);
  lab.receive(frame_of(kWanMac, kEtherTypeIpv6, solicitation), kWan);
  EXPECT_EQ(lab.dropped(Drop::kPuntFull), lost);
  EXPECT_EQ(lab.punted_first().size(), 4u);
  lab.receive(ike(501), kWan);
  EXPECT_EQ(lab.dropped(Drop::kPuntFull), lost + 1);
}

// A VLAN tag, MPLS or PPPoE would carry IP to the unprotected side that no policy has seen.
TEST_F(Frames, OfTheHostThatWrapIpDoNotReachTheUnprotectedSide) {
  const Buffer payload = udp4("198.18.1.10", "203.0.113.5");
  for (const std::uint16_t type : {0x8847, 0x8863, 0x8864, 0x6558, 0x0600}) {
    EXPECT_TRUE(lab.inject(frame_of(kStranger, type, payload), kWan).empty()) << type;
    EXPECT_EQ(lab.inject(frame_of(kStranger, type, payload), kLan).size(), 1u) << type;
  }
  EXPECT_EQ(lab.dropped(Drop::kUnknownEtherType), 5u);
  // A VLAN of a protected port may be an unprotected one.
  for (const std::uint16_t type : {kEtherTypeVlan, kEtherTypeServiceVlan})
    for (const PortIndex port : {kLan, kWan})
      EXPECT_TRUE(lab.inject(frame_of(kStranger, type, payload), port).empty()) << type;
  EXPECT_EQ(lab.dropped(Drop::kUnknownVlan), 4u);
  for (const std::uint16_t type : {0x0806, 0x88cc, 0x888e, 0x8809, 0x0026})
    EXPECT_EQ(lab.inject(frame_of(kStranger, type, payload), kWan).size(), 1u) << type;
}

}  // namespace
}  // namespace simplon::dp::test

// SPDX-License-Identifier: Apache-2.0
// Packets of a tunnel interface through a worker: from the host's TUN into an SA, and out of the SA to the
// TUN.
#include <gtest/gtest.h>

#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

const InterfaceId kOne{1};
const PortIndex kTun = port_of(kOne);

// Both gateways have the interface, and selectors of any and any. Left encrypts, right decrypts.
struct Tunnel {
  Lab left{0, true}, right{1, false};

  Tunnel() {
    for (Lab* lab : {&left, &right}) {
      lab->network().tunnels = {kTun};
      const char* far = lab == &left ? "198.18.2.0/24" : "198.18.1.0/24";
      lab->network().addresses.push_back({*IpAddress::parse(lab == &left ? "192.0.2.1" : "192.0.2.2"), kTun});
      lab->network().routes.push_back({*Prefix::parse(far), std::nullopt, kTun});
      lab->network().routes.push_back({*Prefix::parse("192.0.2.0/30"), std::nullopt, kTun});
      EXPECT_TRUE(lab->registry().add_policy({.id = PolicyId{1},
                                              .order = 1,
                                              .action = Action::kProtect,
                                              .selectors = selectors("0.0.0.0/0", "0.0.0.0/0"),
                                              .interface = kOne}));
      lab->publish_network();
    }
  }
  void add_sas() {
    SaOptions o;
    o.selectors = selectors("0.0.0.0/0", "0.0.0.0/0");
    for (const Direction direction : {Direction::kOut, Direction::kIn}) {
      SaSpec sa = *make_sa(direction, o);
      sa.interface = kOne;
      Lab& lab = direction == Direction::kOut ? left : right;
      EXPECT_TRUE(lab.registry().add_sa(std::make_shared<const SaSpec>(std::move(sa))));
    }
  }
  // The packet inside what left sends.
  std::vector<Buffer> through(const std::vector<Buffer>& esp) {
    EXPECT_EQ(esp.size(), 1u);
    return esp.empty() ? std::vector<Buffer>{} : right.pass(ip_of(esp[0]), Origin::kUnprotected, kWan);
  }
};

TEST(TunnelInterface, HostsPacketReachesTheOtherHost) {
  Tunnel t;
  t.add_sas();
  const Buffer packet = udp4("192.0.2.1", "192.0.2.2", 64);
  EXPECT_TRUE(t.through(t.left.inject(packet, kTun)).empty()) << "it is for the host";
  const auto punted = t.right.punted_by_port();
  ASSERT_EQ(punted.size(), 1u);
  EXPECT_EQ(punted[0].first, kTun);
  EXPECT_EQ(punted[0].second, packet) << "without an Ethernet header, TTL as it was";
  const TunnelState left = t.left.registry().tunnel(kOne), right = t.right.registry().tunnel(kOne);
  EXPECT_EQ(left.tx_packets, 1u);
  EXPECT_EQ(left.tx_bytes, packet.size());
  EXPECT_EQ(right.rx_packets, 1u);
  EXPECT_EQ(right.rx_bytes, packet.size());
  t.right.registry().remove_sa(SaId{1});
  t.right.worker().turn();
  t.right.registry().collect();
  EXPECT_EQ(t.right.registry().tunnel(kOne).rx_packets, 1u) << "the interface outlives its SAs";
}

TEST(TunnelInterface, ProtectedHostsAreForwardedByRoutes) {
  Tunnel t;
  t.add_sas();
  const auto frames =
      t.through(t.left.pass(udp4("198.18.1.10", "198.18.2.10", 64), Origin::kProtected, kLan));
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(ip_of(frames[0])[8], 62) << "two routers";
}

// ICMP type and code of the one packet that was given to the host by the interface.
std::pair<int, int> icmp_to_host(Lab& lab) {
  const auto punted = lab.punted_by_port();
  EXPECT_EQ(punted.size(), 1u);
  if (punted.size() != 1) return {};
  EXPECT_EQ(punted[0].first, kTun);
  EXPECT_EQ(punted[0].second[9], kIcmp);
  return {punted[0].second[20], punted[0].second[21]};
}

TEST(Rfc4301_8, TooLargeForTheTunnelOfAnInterfaceIsToldToTheHost) {
  Tunnel t;
  t.add_sas();
  EXPECT_TRUE(t.left.inject(with_df(udp4("192.0.2.1", "192.0.2.2", 1472)), kTun).empty());
  EXPECT_EQ(icmp_to_host(t.left), (std::pair<int, int>(kIcmpUnreachable, kIcmpFragmentationNeeded)));
  EXPECT_EQ(t.left.dropped(Drop::kTooBig), 1u);
  EXPECT_EQ(t.left.inject(udp4("192.0.2.1", "192.0.2.2", 1472), kTun).size(), 2u)
      << "without DF, in fragments";
  t.left.registry().set_tunnel_mtus({{kOne, 1300}});
  EXPECT_TRUE(t.left.inject(with_df(udp4("192.0.2.1", "192.0.2.2", 1300)), kTun).empty())
      << "by the configuration";
  EXPECT_EQ(icmp_to_host(t.left).first, kIcmpUnreachable);
}

TEST(TunnelInterface, WithoutAnSaItIsClosedAndIkeIsAsked) {
  Tunnel t;
  EXPECT_TRUE(t.left.pass(udp4("198.18.1.10", "198.18.2.10", 64), Origin::kProtected, kLan).empty());
  EXPECT_EQ(t.left.dropped(Drop::kNoSa), 1u);
  const auto events = t.left.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, WorkerEvent::Kind::kAcquire);
  EXPECT_EQ(events[0].policy, PolicyId{1});
}

TEST(TunnelInterface, MalformedFromTheHostIsDropped) {
  Tunnel t;
  EXPECT_TRUE(t.left.inject(Buffer{0x45, 0, 0}, kTun).empty());
  EXPECT_EQ(t.left.dropped(Drop::kRunt), 1u);
  EXPECT_TRUE(t.left.inject(Buffer(60, 0x08), port_of(InterfaceId{77})).empty())
      << "an interface that is gone";
  EXPECT_EQ(t.left.dropped(Drop::kMalformed), 1u);
}

}  // namespace
}  // namespace simplon::dp::test

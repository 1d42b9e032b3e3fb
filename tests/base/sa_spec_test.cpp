// SPDX-License-Identifier: Apache-2.0
#include "dp/base/sa_spec.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace simplon {
namespace {

SaSpec sa() {
  SaSpec out{.id = SaId{7}, .spi = Spi{0x1001}, .suite = {find_encr("aes128gcm16"), nullptr}};
  out.encr_key = Secret(Buffer(16, 1));
  out.salt = Secret(Buffer(4, 2));
  return out;
}

TEST(SaSpec, ACopyIsWholeAndSharesItsKeys) {
  const SaSpec one = sa();
  const SaSpec copy = one;
  EXPECT_EQ(copy, one);
  EXPECT_EQ(copy.encr_key.bytes().data(), one.encr_key.bytes().data()) << "one place to wipe";
}

TEST(SaSpec, EveryFieldCounts) {
  const std::vector<std::function<void(SaSpec&)>> changes{
      [](SaSpec& s) { s.id = SaId{8}; },
      [](SaSpec& s) { s.direction = Direction::kIn; },
      [](SaSpec& s) { s.spi = Spi{0x1002}; },
      [](SaSpec& s) { s.source = IpAddress::v4(192, 0, 2, 1); },
      [](SaSpec& s) { s.destination = IpAddress::v4(192, 0, 2, 1); },
      [](SaSpec& s) { s.udp = UdpPorts{}; },
      [](SaSpec& s) { s.suite.encr = find_encr("aes256gcm16"); },
      [](SaSpec& s) { s.encr_key = Secret(Buffer(16, 9)); },
      [](SaSpec& s) { s.salt = Secret(Buffer(4, 9)); },
      [](SaSpec& s) { s.integ_key = Secret(Buffer(32, 9)); },
      [](SaSpec& s) { s.replay_window = 64; },
      [](SaSpec& s) { s.soft.packets = PacketCount{1}; },
      [](SaSpec& s) { s.hard.bytes = ByteCount{1}; },
      [](SaSpec& s) { s.tunnel.dscp[46] = 34; },
      [](SaSpec& s) { s.tunnel.ttl = 63; },
      [](SaSpec& s) { s.policy = PolicyId{1}; },
      [](SaSpec& s) { s.child = PolicyId{1}; },
      [](SaSpec& s) { s.selectors.local.emplace_back(); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    SaSpec changed = sa();
    changes[i](changed);
    EXPECT_NE(changed, sa()) << "change " << i;
  }
}

TEST(Rfc4301_5_1_2_1, OptionsOfAnOuterHeaderNeedOne) {
  SaSpec tunnel = sa();
  tunnel.tunnel = {
      .dscp = fixed_dscp(46), .ecn = EcnMode::kCompatibility, .ttl = 255, .flow_label = FlowLabel::kFlow};
  tunnel.source = IpAddress::v4(192, 0, 2, 1), tunnel.destination = IpAddress::v4(192, 0, 2, 2);
  tunnel.selectors = {{TrafficSelector::of(Prefix::host(tunnel.source))},
                      {TrafficSelector::of(Prefix::host(tunnel.destination))}};
  EXPECT_TRUE(possible_sa(tunnel));
  SaSpec ah = tunnel;
  ah.protocol = IpsecProtocol::kAh;
  ah.suite = *find_ah_suite("sha256");
  EXPECT_TRUE(possible_sa(ah));
  SaSpec nowhere = tunnel;
  nowhere.tunnel.ttl = 0;
  EXPECT_FALSE(possible_sa(nowhere));
  SaSpec transport = tunnel;
  transport.mode = SaMode::kTransport;
  EXPECT_FALSE(possible_sa(transport));
  transport.tunnel = {};
  EXPECT_TRUE(possible_sa(transport));
}

TEST(Rfc4303_2_7, OnlyEspInTunnelModeIsPaddedAndHasDummies) {
  for (const TunnelOptions& options : {TunnelOptions{.tfc = kTfcMtu}, TunnelOptions{.dummies = 1}}) {
    SaSpec esp = sa();
    esp.tunnel = options;
    EXPECT_TRUE(possible_sa(esp));
    SaSpec ah = esp;
    ah.protocol = IpsecProtocol::kAh;
    ah.suite = *find_ah_suite("sha256");
    EXPECT_FALSE(possible_sa(ah));
    ah.tunnel = {};
    EXPECT_TRUE(possible_sa(ah));
    SaSpec transport = esp;
    transport.mode = SaMode::kTransport;
    EXPECT_FALSE(possible_sa(transport));
  }
}

TEST(SharedSecret, EqualWhenTheBytesAre) {
  const SharedSecret a = Secret(Buffer{1, 2, 3}), b = Secret(Buffer{1, 2, 3}), c = Secret(Buffer{1, 2, 4});
  EXPECT_EQ(a, b) << "two copies of one key";
  EXPECT_NE(a, c);
  EXPECT_NE(a, SharedSecret());
  EXPECT_TRUE(SharedSecret().empty());
}

}  // namespace
}  // namespace simplon

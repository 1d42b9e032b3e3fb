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

TEST(SharedSecret, EqualWhenTheBytesAre) {
  const SharedSecret a = Secret(Buffer{1, 2, 3}), b = Secret(Buffer{1, 2, 3}), c = Secret(Buffer{1, 2, 4});
  EXPECT_EQ(a, b) << "two copies of one key";
  EXPECT_NE(a, c);
  EXPECT_NE(a, SharedSecret());
  EXPECT_TRUE(SharedSecret().empty());
}

}  // namespace
}  // namespace simplon

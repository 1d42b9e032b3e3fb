// SPDX-License-Identifier: Apache-2.0
#include "ike/eap/packet.h"

#include <gtest/gtest.h>

#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

TEST(Rfc3748_4, PacketsThereAndBack) {
  const std::pair<const char*, EapPacket> packets[] = {
      {"01 07 0005 01", {EapCode::kRequest, 7, EapType::kIdentity, {}}},
      {"02 07 0009 01 75736572", {EapCode::kResponse, 7, EapType::kIdentity, hex("75736572")}},
      {"01 00 0008 fe 000000", {EapCode::kRequest, 0, EapType{254}, hex("000000")}},
      {"03 ff 0004", {EapCode::kSuccess, 255, EapType::kNone, {}}},
      {"04 01 0004", {EapCode::kFailure, 1, EapType::kNone, {}}}};
  for (const auto& [octets, packet] : packets) {
    EXPECT_EQ(write_eap(packet), hex(octets));
    const auto parsed = parse_eap(hex(octets));
    ASSERT_TRUE(parsed) << octets;
    EXPECT_EQ(parsed->code, packet.code);
    EXPECT_EQ(parsed->id, packet.id);
    EXPECT_EQ(parsed->type, packet.type);
    EXPECT_EQ(parsed->data, packet.data);
  }
}

TEST(Rfc3748_4, WhatIsNoPacketIsAnError) {
  for (const char* octets : {"", "01", "01 01 00", "01 01 0004", "01 01 0006 01", "01 01 0004 01",
                             "01 01 ffff 01", "01 01 0000 01", "03 01 0005 00", "04 01 0003", "00 01 0005 01",
                             "05 01 0005 01", "03 01 0008", "02 01 0005"})
    EXPECT_FALSE(parse_eap(hex(octets))) << octets;
}

}  // namespace
}  // namespace simplon::ike::test

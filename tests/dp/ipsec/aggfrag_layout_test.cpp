// SPDX-License-Identifier: Apache-2.0
// The octets of AGGFRAG payloads, by hand after the figures of RFC 9347 §6.1.
#include <gtest/gtest.h>

#include "dp/ipsec/aggfrag.h"
#include "tests/dp/hex.h"

namespace simplon::dp::test {
namespace {

Buffer written(const AggfragHeader& header) {
  Buffer out(header.bytes, 0xee);
  write_aggfrag_header(header, out.data());
  return out;
}

TEST(Rfc9347_6_1_1, HeaderOfSubTypeZero) {
  const AggfragHeader header{.offset = 0x1234};
  EXPECT_EQ(written(header), hex("00001234"));
  EXPECT_EQ(read_aggfrag_header(hex("00001234")), header);
  EXPECT_EQ(read_aggfrag_header(hex("00ff12344500")), header) << "reserved flags mean nothing";
  EXPECT_FALSE(read_aggfrag_header(hex("000012")));
  EXPECT_FALSE(read_aggfrag_header(hex("02001234"))) << "a sub-type that is not known";
}

// Of the eight octets of times the first 22 bits are the RTT, the next 21 Echo Delay, the last 21 Transmit
// Delay: 1, 2, 3 are 1 << 42 | 2 << 21 | 3.
TEST(Rfc9347_6_1_2, HeaderOfSubTypeOne) {
  AggfragHeader header{.bytes = kAggfragCongestionBytes, .offset = 5};
  header.congestion = {.congested = true,
                       .loss_interval = 0x01020304,
                       .rtt = 1,
                       .echo_delay = 2,
                       .transmit_delay = 3,
                       .value = 0xa0a1a2a3,
                       .echo = 0xb0b1b2b3};
  const Buffer octets =
      hex("01010005"
          "01020304"
          "0000040000400003"
          "a0a1a2a3"
          "b0b1b2b3");
  EXPECT_EQ(written(header), octets);
  EXPECT_EQ(read_aggfrag_header(octets), header);
  EXPECT_FALSE(read_aggfrag_header(Bytes(octets).first(23)));
}

TEST(Rfc9347_6_1_2, TimesThatDoNotFitAreTheLargest) {
  AggfragHeader header{.bytes = kAggfragCongestionBytes};
  header.congestion = {.rtt = 0x400000, .echo_delay = 0x200000, .transmit_delay = 0xffffffff};
  const Buffer octets = written(header);
  EXPECT_EQ(Buffer(octets.begin() + 8, octets.begin() + 16), hex("ffffffffffffffff"));
  const auto read = read_aggfrag_header(octets);
  ASSERT_TRUE(read && read->congestion);
  EXPECT_EQ(read->congestion->rtt, kMostRtt);
  EXPECT_EQ(read->congestion->echo_delay, kMostAggfragDelay);
  EXPECT_EQ(read->congestion->transmit_delay, kMostAggfragDelay);
}

TEST(Rfc9347_6_1_3, BlocksSayThemselvesHowLongTheyAre) {
  using Kind = AggfragBlock::Kind;
  const auto block = [](std::string_view octets) { return read_aggfrag_block(hex(octets)); };
  EXPECT_EQ(block("00").kind, Kind::kPad);
  EXPECT_EQ(block("0f123456").kind, Kind::kPad) << "the first four bits alone";
  EXPECT_EQ(block("45000054").length, 0x54u);
  EXPECT_EQ(block("450000").length, 0u) << "the length is behind";
  EXPECT_EQ(block("450000").needed, 4u);
  EXPECT_EQ(block("600000000010").length, 56u);
  EXPECT_EQ(block("6000000000").needed, 6u);
  EXPECT_EQ(block("45000013").kind, Kind::kUnknown) << "shorter than a header";
  EXPECT_EQ(block("55000054").kind, Kind::kUnknown);
}

}  // namespace
}  // namespace simplon::dp::test

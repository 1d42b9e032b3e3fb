// SPDX-License-Identifier: Apache-2.0
#include "ike/eap/tls_fragments.h"

#include <gtest/gtest.h>

#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

Buffer numbered(std::size_t size) {
  Buffer out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  return out;
}

TEST(Rfc5216_2_1_5, AFlightTravelsInPiecesAndArrivesWhole) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, kTlsFragment, kTlsFragment + 1, 5 * kTlsFragment, kLongestFlight}) {
    OutgoingFlight out;
    IncomingFlight in;
    out.load(numbered(size));
    std::size_t pieces = 0;
    for (bool whole = false; !whole; ++pieces) {
      const Buffer packet = out.next();
      ASSERT_LE(packet.size(), kTlsFragment + 5);
      const auto fragment = parse_tls_fragment(packet);
      ASSERT_TRUE(fragment);
      EXPECT_EQ(fragment->more, !out.empty());
      EXPECT_EQ(fragment->total.has_value(), pieces == 0 && size > kTlsFragment);
      const auto added = in.add(*fragment);
      ASSERT_TRUE(added) << added.error().what;
      whole = *added;
      EXPECT_EQ(whole, out.empty());
    }
    EXPECT_EQ(pieces, size == 0 ? 1 : (size + kTlsFragment - 1) / kTlsFragment);
    EXPECT_EQ(in.take(), numbered(size));
    EXPECT_EQ(out.next(), tls_acknowledgement());
  }
}

// The last of the packets is the wrong one.
bool refused(const std::vector<const char*>& packets) {
  IncomingFlight in;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const Buffer octets = hex(packets[i]);
    const auto fragment = parse_tls_fragment(octets);
    const bool taken = fragment && in.add(*fragment);
    if (i + 1 == packets.size()) return !taken;
    if (!taken) return false;
  }
  return false;
}

TEST(Rfc5216_3_1, AbsurdLengthsAndFlagsAreRefused) {
  EXPECT_FALSE(refused({"c0 00000003 0102", "00 03"})) << "in order";
  EXPECT_FALSE(refused({"c0 00000003 0102", "80 00000003 03"})) << "the length once more";
  EXPECT_TRUE(refused({""}));
  EXPECT_TRUE(refused({"80 000000"}));
  EXPECT_TRUE(refused({"20"})) << "a start";
  EXPECT_TRUE(refused({"40 01"})) << "the first of several without the length of all";
  EXPECT_TRUE(refused({"c0 00000003"})) << "more, and nothing";
  EXPECT_TRUE(refused({"c0 00000003 0102", "40"}));
  EXPECT_TRUE(refused({"c0 00000003 0102", "00 0304"})) << "longer than it said";
  EXPECT_TRUE(refused({"c0 00000004 0102", "00 03"})) << "shorter";
  EXPECT_TRUE(refused({"c0 00000004 0102", "80 00000005 030405"})) << "two lengths";
  EXPECT_TRUE(refused({"c0 ffffffff 01"}));
  EXPECT_TRUE(refused({"c0 00010001 01"}));
  EXPECT_TRUE(refused({"80 00000000 01"}));
  EXPECT_TRUE(refused({"80 00000001"}));
}

}  // namespace
}  // namespace simplon::ike::test

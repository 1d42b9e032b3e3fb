// SPDX-License-Identifier: Apache-2.0
// The MSS option of a SYN, wherever it stands, and the checksum that covers it.
#include "dp/packet/tcp_mss.h"

#include <gtest/gtest.h>
#include <rte_ip.h>

#include "tests/dp/hex.h"
#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

std::uint8_t* tcp_of(Buffer& p) { return p.data() + (p[0] >> 4 == 4 ? kIpv4Bytes : kIpv6Bytes); }

std::uint16_t checksum(Buffer& p) {
  const bool v4 = p[0] >> 4 == 4;
  return v4 ? rte_ipv4_udptcp_cksum(reinterpret_cast<const rte_ipv4_hdr*>(p.data()), tcp_of(p))
            : rte_ipv6_udptcp_cksum(reinterpret_cast<const rte_ipv6_hdr*>(p.data()), tcp_of(p));
}
bool checksum_is_right(Buffer p) {
  const std::uint16_t have = load_be16(tcp_of(p) + 16);
  store_be16(tcp_of(p) + 16, 0);
  return Be16::from_raw(checksum(p)).host() == have;
}

// A TCP packet with these flags and options.
Buffer tcp(bool v4, std::uint8_t flags, const Buffer& options) {
  Buffer p = v4 ? udp4("198.18.1.10", "198.18.2.10", 12) : udp6("2001:db8:a::10", "2001:db8:b::10", 12);
  p.insert(p.end(), options.begin(), options.end());
  if (v4) {
    p[9] = kTcp;
    store_be16(p.data() + 2, static_cast<std::uint16_t>(p.size()));
    set_ipv4_checksum(p.data());
  } else {
    p[6] = kTcp;
    store_be16(p.data() + 4, static_cast<std::uint16_t>(p.size() - kIpv6Bytes));
  }
  tcp_of(p)[12] = static_cast<std::uint8_t>((5 + options.size() / 4) << 4);
  tcp_of(p)[13] = flags;
  store_be16(tcp_of(p) + 16, 0);
  const std::uint16_t sum = checksum(p);
  std::memcpy(tcp_of(p) + 16, &sum, 2);
  return p;
}

Headers parsed(const Buffer& p) {
  rte_mbuf* m = rte_pktmbuf_alloc(Shared::get().buffers);
  std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(p.size())), p.data(), p.size());
  Headers h;
  EXPECT_EQ(parse_ip(m, 0, h), Drop::kNone);
  rte_pktmbuf_free(m);
  return h;
}
Buffer clamped(Buffer p, std::uint16_t most) {
  clamp_mss(p.data(), parsed(p), most);
  return p;
}

TEST(Rfc9293_3_1, OnlyASynIsOne) {
  for (const bool v4 : {true, false}) {
    EXPECT_TRUE(parsed(tcp(v4, 0x02, {})).syn);
    EXPECT_TRUE(parsed(tcp(v4, 0x12, {})).syn) << "SYN, ACK";
    EXPECT_FALSE(parsed(tcp(v4, 0x10, {})).syn);
    Buffer later = tcp(v4, 0x02, {});
    if (v4) {
      store_be16(later.data() + 6, 1);
      set_ipv4_checksum(later.data());
      EXPECT_FALSE(parsed(later).syn) << "a later fragment has no flags";
    }
  }
  EXPECT_FALSE(parsed(udp4("198.18.1.10", "198.18.2.10")).syn);
}

TEST(Rfc9293_3_7_1, AnOfferThatIsTooLargeIsLoweredAndTheChecksumFollows) {
  for (const bool v4 : {true, false})
    for (const char* options :
         {"020405b4", "01020405b4000000", "0402020405b40000", "0101080a0000000100000002020405b4"}) {
      SCOPED_TRACE(options);
      const Buffer before = tcp(v4, 0x02, hex(options));
      ASSERT_TRUE(checksum_is_right(before));
      const Buffer after = clamped(before, 1386);
      EXPECT_TRUE(checksum_is_right(after));
      std::string lowered = options;
      lowered.replace(lowered.find("05b4"), 4, "056a");
      const Buffer tail(after.end() - static_cast<std::ptrdiff_t>(hex(options).size()), after.end());
      EXPECT_EQ(tail, hex(lowered));
      EXPECT_EQ(clamped(before, 1460), before) << "an offer that fits stays";
      EXPECT_EQ(clamped(before, 0xffff), before);
    }
}

TEST(Rfc9293_3_7_1, OptionsThatAreNotWholeAreLeftAlone) {
  for (const char* options :
       {"00000000", "01010101", "02040000", "020005b4", "020105b4", "010101ff", "00020405b4000000"}) {
    SCOPED_TRACE(options);
    const Buffer before = tcp(true, 0x02, hex(options));
    EXPECT_EQ(clamped(before, 100), before);
  }
  Buffer longer = tcp(true, 0x02, hex("020405b4"));
  tcp_of(longer)[12] = 0xf0;  // more options than there are octets
  EXPECT_EQ(clamped(longer, 100), longer);
  tcp_of(longer)[12] = 0x10;  // fewer octets than a header has
  EXPECT_EQ(clamped(longer, 100), longer);
}

}  // namespace
}  // namespace simplon::dp::test

// SPDX-License-Identifier: Apache-2.0
// ICMP errors as they are made and read: what is answered at all, what stands in an answer, what can be read
// of a quoted packet.
#include "dp/packet/icmp.h"

#include <gtest/gtest.h>
#include <rte_ip.h>

#include "tests/dp/hex.h"
#include "tests/dp/icmp.h"

namespace simplon::dp::test {
namespace {

struct Parsed {
  Buffer bytes;
  Headers headers;
  explicit Parsed(Buffer b) : bytes(std::move(b)) {
    rte_mbuf* m = rte_pktmbuf_alloc(Shared::get().buffers);
    std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(bytes.size())), bytes.data(), bytes.size());
    EXPECT_EQ(parse_ip(m, 0, headers), Drop::kNone);
    rte_pktmbuf_free(m);
  }
};

bool answered(const Buffer& p, IcmpKind kind = IcmpKind::kUnreachable) {
  const Parsed parsed(p);
  return may_be_answered(parsed.bytes.data(), parsed.headers, kind);
}

TEST(Rfc1812_4_3_2_7, WhatIsNotAnswered) {
  EXPECT_TRUE(answered(udp4("198.18.1.10", "198.18.2.10")));
  EXPECT_TRUE(answered(icmp4("198.18.1.10", "198.18.2.10", 8, 0))) << "an echo request";
  for (const std::uint8_t type : {3, 4, 5, 11, 12})
    EXPECT_FALSE(answered(icmp4("198.18.1.10", "198.18.2.10", type, 0))) << unsigned(type);
  for (const char* from : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"})
    EXPECT_FALSE(answered(udp4(from, "198.18.2.10"))) << from;
  for (const char* to : {"224.0.0.1", "239.1.2.3", "255.255.255.255"})
    for (const IcmpKind kind : {IcmpKind::kUnreachable, IcmpKind::kTooBig})
      EXPECT_FALSE(answered(udp4("198.18.1.10", to), kind)) << to;
  Buffer fragment = udp4("198.18.1.10", "198.18.2.10");
  store_be16(fragment.data() + 6, kMoreFragments);
  set_ipv4_checksum(fragment.data());
  EXPECT_TRUE(answered(fragment)) << "the first fragment";
  store_be16(fragment.data() + 6, 1);
  set_ipv4_checksum(fragment.data());
  EXPECT_FALSE(answered(fragment));
}

TEST(Rfc4443_2_4, WhatIsNotAnswered) {
  EXPECT_TRUE(answered(udp6("2001:db8:a::10", "2001:db8:b::10")));
  EXPECT_TRUE(answered(icmp6("2001:db8:a::10", "2001:db8:b::10", 128, 0)));
  for (const std::uint8_t type : {1, 2, 3, 4, 127})
    EXPECT_FALSE(answered(icmp6("2001:db8:a::10", "2001:db8:b::10", type, 0))) << unsigned(type);
  for (const char* from : {"::", "::1", "ff02::1"})
    EXPECT_FALSE(answered(udp6(from, "2001:db8:b::10"))) << from;
  EXPECT_FALSE(answered(icmp6("2001:db8:a::10", "2001:db8:b::10", 137, 0))) << "e.2: a redirect";
  EXPECT_FALSE(answered(icmp6("2001:db8:a::10", "2001:db8:b::10", 137, 0), IcmpKind::kTooBig));
  EXPECT_TRUE(answered(icmp6("2001:db8:a::10", "2001:db8:b::10", 136, 0)));
  for (const IcmpKind kind : {IcmpKind::kUnreachable, IcmpKind::kTimeExceeded})
    EXPECT_FALSE(answered(udp6("2001:db8:a::10", "ff05::2"), kind));
  EXPECT_TRUE(answered(udp6("2001:db8:a::10", "ff05::2"), IcmpKind::kTooBig)) << "e.3: path MTU discovery";
  EXPECT_FALSE(answered(udp6("::", "ff05::2"), IcmpKind::kTooBig)) << "e.6";
}

Buffer error_about(const Buffer& p, Drop reason, std::uint16_t mtu, const char* from) {
  rte_mbuf* m = rte_pktmbuf_alloc(Shared::get().buffers);
  std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(p.size())), p.data(), p.size());
  Headers h;
  EXPECT_EQ(parse_ip(m, 0, h), Drop::kNone);
  rte_mbuf* error = make_icmp_error(m, h, *find_icmp(reason), mtu, *IpAddress::parse(from), 1);
  rte_pktmbuf_free(m);
  if (error == nullptr) return {};
  Buffer out(bytes_of(error), bytes_of(error) + rte_pktmbuf_data_len(error));
  rte_pktmbuf_free(error);
  return out;
}

TEST(Rfc792, EveryErrorSaysWhatItsRowSays) {
  const Buffer p4 = udp4("198.18.1.10", "198.18.2.10", 1472),
               p6 = udp6("2001:db8:a::10", "2001:db8:b::10", 1452);
  for (const IcmpRow& row : kIcmpTable) {
    SCOPED_TRACE(name(row.reason));
    const std::uint16_t mtu = row.reason == Drop::kTooBig ? 1438 : 0;
    const Buffer e4 = error_about(p4, row.reason, mtu, "198.18.1.1");
    ASSERT_EQ(e4.size(), 576u);
    EXPECT_EQ(Parsed(e4).headers.protocol, kIcmp);
    EXPECT_EQ(source_of(e4.data(), true).text(), "198.18.1.1");
    EXPECT_EQ(destination_of(e4.data(), true).text(), "198.18.1.10");
    EXPECT_EQ(e4[20], row.type4);
    EXPECT_EQ(e4[21], row.code4);
    EXPECT_EQ(load_be32(e4.data() + 24), mtu);
    EXPECT_EQ(rte_raw_cksum(e4.data() + 20, e4.size() - 20), 0xffff);
    EXPECT_EQ(Buffer(e4.begin() + 28, e4.end()), Buffer(p4.begin(), p4.begin() + 548));
    Buffer e6 = error_about(p6, row.reason, mtu, "2001:db8:a::1");
    ASSERT_EQ(e6.size(), 1280u);
    EXPECT_EQ(e6[40], row.type6);
    EXPECT_EQ(e6[41], row.code6);
    EXPECT_EQ(load_be32(e6.data() + 44), mtu);
    EXPECT_EQ(Buffer(e6.begin() + 48, e6.end()), Buffer(p6.begin(), p6.begin() + 1232));
    const std::uint16_t have = load_be16(e6.data() + 42);
    store_be16(e6.data() + 42, 0);
    EXPECT_EQ(Be16::from_raw(rte_ipv6_udptcp_cksum(reinterpret_cast<const rte_ipv6_hdr*>(e6.data()), &e6[40]))
                  .host(),
              have);
  }
}

std::optional<Flow> answers(const Buffer& error) {
  const Parsed parsed(error);
  return return_flow_of_error(parsed.bytes.data(), parsed.headers);
}

TEST(Rfc4301_6_2, TheReturnFlowIsTheQuotedPacketTheOtherWayRound) {
  for (const bool v4 : {true, false}) {
    const char *a = v4 ? "198.18.1.10" : "2001:db8:a::10", *b = v4 ? "198.18.2.10" : "2001:db8:b::10",
               *router = v4 ? "203.0.113.9" : "2001:db8:9::9";
    const Buffer quoted = v4 ? udp4(a, b, 100) : udp6(a, b, 100);
    const Buffer error = v4 ? icmp4(router, a, kIcmpUnreachable, kIcmpHostUnreachable, 0, quoted)
                            : icmp6(router, a, kIcmpv6Unreachable, kIcmpv6NoRoute, 0, quoted);
    const auto flow = answers(error);
    ASSERT_TRUE(flow);
    EXPECT_EQ(flow->source.text(), b);
    EXPECT_EQ(flow->destination.text(), a);
    EXPECT_EQ(flow->sport, 2000);
    EXPECT_EQ(flow->dport, 1000);
    EXPECT_EQ(flow->protocol, kUdp);
    EXPECT_FALSE(flow->fragment);
    // Eight octets of the quoted packet's data are what old routers send, fewer have no ports.
    const unsigned header = v4 ? 20 : 40;
    const auto shortened = [&](unsigned left) {
      const Buffer part(quoted.begin(), quoted.begin() + header + left);
      return v4 ? icmp4(router, a, kIcmpUnreachable, 1, 0, part)
                : icmp6(router, a, kIcmpv6Unreachable, 0, 0, part);
    };
    EXPECT_EQ(answers(shortened(8))->sport, 2000);
    EXPECT_TRUE(answers(shortened(3))->fragment) << "its ports are not known";
    EXPECT_FALSE(answers(v4 ? icmp4(router, a, 3, 1, 0, Buffer(19, 0x45))
                            : icmp6(router, a, 1, 0, 0, Buffer(39, 0x60))));
    EXPECT_FALSE(answers(v4 ? icmp4(router, "198.18.1.99", 3, 1, 0, quoted)
                            : icmp6(router, "2001:db8:a::99", 1, 0, 0, quoted)))
        << "it goes to somebody else than whom the quoted packet came from";
    EXPECT_FALSE(answers(v4 ? icmp4(router, a, 8, 0, 0, quoted) : icmp6(router, a, 128, 0, 0, quoted)))
        << "no error";
  }
}

}  // namespace
}  // namespace simplon::dp::test

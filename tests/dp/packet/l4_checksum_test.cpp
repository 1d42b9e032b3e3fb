// SPDX-License-Identifier: Apache-2.0
// Checksums that the sending kernel left to a NIC.
#include "dp/packet/l4_checksum.h"

#include <gtest/gtest.h>
#include <rte_ip.h>

#include "tests/dp/hex.h"
#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

struct Kind {
  bool v4;
  std::uint8_t protocol;
  unsigned tags;
};

class Segment {
 public:
  explicit Segment(const Kind& kind) : kind_(kind) {
    Buffer p =
        kind.v4 ? udp4("198.18.1.10", "198.18.2.10", 31) : udp6("2001:db8:a::10", "2001:db8:b::10", 31);
    p[kind.v4 ? 9 : 6] = kind.protocol;
    if (kind.v4) set_ipv4_checksum(p.data());
    frame = frame_of({2, 0, 0, 0, 0, 1}, kind.v4 ? kEtherTypeIpv4 : kEtherTypeIpv6, p);
    for (unsigned i = 0; i < kind.tags; ++i) frame.insert(frame.begin() + 12, {0x81, 0x00, 0x00, 0x07});
  }
  std::uint8_t* ip() { return frame.data() + kEthernetBytes + 4 * kind_.tags; }
  std::uint8_t* l4() { return ip() + (kind_.v4 ? kIpv4Bytes : kIpv6Bytes); }
  std::uint8_t* field() { return l4() + (kind_.protocol == kTcp ? 16 : 6); }
  std::uint16_t pseudo() {
    return kind_.v4 ? rte_ipv4_phdr_cksum(reinterpret_cast<const rte_ipv4_hdr*>(ip()), 0)
                    : rte_ipv6_phdr_cksum(reinterpret_cast<const rte_ipv6_hdr*>(ip()), 0);
  }
  std::uint16_t whole() {
    set(0);
    return kind_.v4 ? rte_ipv4_udptcp_cksum(reinterpret_cast<const rte_ipv4_hdr*>(ip()), l4())
                    : rte_ipv6_udptcp_cksum(reinterpret_cast<const rte_ipv6_hdr*>(ip()), l4());
  }
  void set(std::uint16_t sum) { std::memcpy(field(), &sum, sizeof sum); }
  std::uint16_t get() {
    std::uint16_t sum;
    std::memcpy(&sum, field(), sizeof sum);
    return sum;
  }
  void complete() {
    rte_mbuf* m = rte_pktmbuf_alloc(Shared::get().buffers);
    std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(frame.size())), frame.data(), frame.size());
    complete_l4_checksum(m);
    std::memcpy(frame.data(), bytes_of(m), frame.size());
    rte_pktmbuf_free(m);
  }
  Buffer frame;

 private:
  Kind kind_;
};

constexpr Kind kKinds[] = {
    {true, kTcp, 0}, {true, kUdp, 0}, {false, kTcp, 0}, {false, kUdp, 0}, {true, kTcp, 2}};

TEST(PartialChecksum, IsCompleted) {
  for (const Kind& kind : kKinds) {
    Segment s(kind);
    const std::uint16_t right = s.whole();
    s.set(s.pseudo());
    s.complete();
    EXPECT_EQ(s.get(), right) << kind.v4 << int{kind.protocol} << kind.tags;
  }
}

TEST(PartialChecksum, AnyOtherStaysAsItIsRightOrWrong) {
  for (const Kind& kind : kKinds) {
    Segment s(kind);
    for (const std::uint16_t sum : {s.whole(), std::uint16_t{0x1234}, std::uint16_t{0}}) {
      s.set(sum);
      s.complete();
      EXPECT_EQ(s.get(), sum);
    }
  }
}

TEST(PartialChecksum, WholeOneThatEqualsThePseudoHeadersSumStays) {
  for (const Kind& kind : kKinds) {
    Segment s(kind);
    unsigned found = 0;
    for (unsigned word = 0; word < 0x10000; ++word) {
      store_be16(s.l4() + 22, static_cast<std::uint16_t>(word));
      const std::uint16_t right = s.whole();
      if (right != s.pseudo()) continue;
      ++found;
      s.set(right);
      s.complete();
      EXPECT_EQ(s.get(), right);
    }
    EXPECT_GE(found, 1u);
  }
}

TEST(PartialChecksum, FragmentsAndDamagedFramesAreLeftAlone) {
  Segment s({true, kUdp, 0});
  store_be16(s.ip() + 6, kMoreFragments);
  set_ipv4_checksum(s.ip());
  s.set(s.pseudo());
  const Buffer before = s.frame;
  s.complete();
  EXPECT_EQ(s.frame, before);
  for (std::size_t length = 0; length < before.size(); ++length) {
    Segment cut({true, kUdp, 0});
    cut.set(cut.pseudo());
    cut.frame.resize(length);
    const Buffer was = cut.frame;
    cut.complete();
    EXPECT_EQ(cut.frame, was);
  }
}

// Bit by bit, as RFC 9260 appendix A says it.
std::uint32_t crc32c(const std::uint8_t* bytes, std::size_t length) {
  std::uint32_t crc = ~0u;
  for (std::size_t i = 0; i < length; ++i) {
    crc ^= bytes[i];
    for (unsigned bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
  }
  return ~crc;
}
std::uint32_t load_le32(const std::uint8_t* b) {
  return b[0] | std::uint32_t{b[1]} << 8 | std::uint32_t{b[2]} << 16 | std::uint32_t{b[3]} << 24;
}

TEST(Rfc9260_6_8, SctpWithoutItsChecksumGetsIt) {
  const std::string check = "123456789";  // the check value that is published of CRC32c
  ASSERT_EQ(crc32c(reinterpret_cast<const std::uint8_t*>(check.data()), check.size()), 0xe3069283u);
  for (const Kind& kind : {Kind{true, kSctp, 0}, Kind{false, kSctp, 0}, Kind{true, kSctp, 2}}) {
    Segment s(kind);
    std::uint8_t* field = s.l4() + 8;
    const std::size_t length = static_cast<std::size_t>(s.frame.data() + s.frame.size() - s.l4());
    store_be32(field, 0);
    const std::uint32_t right = crc32c(s.l4(), length);
    s.complete();
    EXPECT_EQ(load_le32(s.l4() + 8), right) << kind.v4 << kind.tags;
    for (const std::uint32_t other : {right, 0x12345678u}) {  // whole, or wrong: it stays
      store_be32(s.l4() + 8, other);
      s.complete();
      EXPECT_EQ(load_be32(s.l4() + 8), other);
    }
  }
}

TEST(Rfc9260_6_8, FragmentsOfSctpAndPiecesOfItsHeaderAreLeftAlone) {
  Segment s({true, kSctp, 0});
  store_be32(s.l4() + 8, 0);
  store_be16(s.ip() + 6, kMoreFragments);
  set_ipv4_checksum(s.ip());
  const Buffer before = s.frame;
  s.complete();
  EXPECT_EQ(s.frame, before);
  for (std::uint16_t payload = 0; payload < 12; ++payload) {
    Segment cut({true, kSctp, 0});
    store_be32(cut.l4() + 8, 0);
    store_be16(cut.ip() + 2, static_cast<std::uint16_t>(kIpv4Bytes + payload));
    set_ipv4_checksum(cut.ip());
    const Buffer was = cut.frame;
    cut.complete();
    EXPECT_EQ(cut.frame, was) << payload;
  }
}

}  // namespace
}  // namespace simplon::dp::test

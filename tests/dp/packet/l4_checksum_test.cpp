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

}  // namespace
}  // namespace simplon::dp::test

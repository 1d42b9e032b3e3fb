// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/reassembly.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace simplon::dp {
namespace {

struct Pools {
  rte_mempool* small = rte_pktmbuf_pool_create("fragments", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
  rte_mempool* large = rte_pktmbuf_pool_create("whole", 80, 0, 0, Reassembly::kBufferRoom, 0);
  static Pools& get() {
    static auto* pools = new Pools;
    return *pools;
  }
};

Buffer payload(std::size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  Buffer out(bytes);
  for (auto& b : out) b = static_cast<std::uint8_t>(random());
  return out;
}

struct Sender {
  bool v4 = true;
  std::uint8_t last = 1, ecn = 0;  // of the source address
  std::uint16_t id = 7;
};

// The part [from, to) of a UDP payload in a frame of its own. IPv6 has a destination options header first.
Buffer fragment(const Sender& s, const Buffer& all, std::size_t from, std::size_t to) {
  const bool more = to != all.size();
  Buffer out(kEthernetBytes, 0xee);
  const auto field = static_cast<std::uint16_t>(from / 8);
  const auto length = static_cast<std::uint16_t>(to - from);
  if (s.v4) {
    Buffer ip{0x45, s.ecn, 0, 0, 0, 0, 0, 0, 64, kUdp, 0, 0, 192, 0, 2, s.last, 198, 51, 100, 1};
    store_be16(ip.data() + 2, static_cast<std::uint16_t>(20 + length));
    store_be16(ip.data() + 4, s.id);
    store_be16(ip.data() + 6, static_cast<std::uint16_t>(field | (more ? 0x2000 : 0)));
    set_ipv4_checksum(ip.data());
    out.insert(out.end(), ip.begin(), ip.end());
  } else {
    Buffer ip(40 + 8 + 8);
    ip[0] = 0x60;
    ip[1] = static_cast<std::uint8_t>(s.ecn << 4);
    store_be16(ip.data() + 4, static_cast<std::uint16_t>(16 + length));
    ip[6] = kIpv6Destination;
    ip[7] = 64;
    ip[8] = 0x20, ip[9] = 1, ip[10] = 0xd, ip[11] = 0xb8, ip[23] = s.last, ip[24] = 0x20, ip[39] = 9;
    ip[40] = kIpv6Fragment;  // then six bytes of padding: an option PadN of four
    ip[42] = 1, ip[43] = 4;
    ip[48] = kUdp;
    store_be16(ip.data() + 50, static_cast<std::uint16_t>(field << 3 | (more ? 1 : 0)));
    store_be32(ip.data() + 52, s.id);
    out.insert(out.end(), ip.begin(), ip.end());
  }
  out.insert(out.end(), all.begin() + static_cast<std::ptrdiff_t>(from),
             all.begin() + static_cast<std::ptrdiff_t>(to));
  return out;
}

class ReassemblyTest : public testing::Test {
 protected:
  Reassembly::Whole add(const Buffer& frame, std::uint32_t way = 0) {
    rte_mbuf* m = rte_pktmbuf_alloc(Pools::get().small);
    std::ranges::copy(frame, reinterpret_cast<std::uint8_t*>(
                                 rte_pktmbuf_append(m, static_cast<std::uint16_t>(frame.size()))));
    PacketInfo packet{.m = m, .headers = {}, .origin = Origin::kUnprotected, .port = {}};
    EXPECT_EQ(parse_ip(m, kEthernetBytes, packet.headers), Drop::kNone);
    EXPECT_TRUE(packet.headers.partial);
    ++in_;
    return reassembly_.add(packet, way, now_);
  }
  // What the whole datagram carries; frees it. Its headers must be right.
  Buffer take(const Reassembly::Whole& whole, const Sender& s) {
    if (whole.m == nullptr) return {};
    ++out_;
    Headers h;
    EXPECT_EQ(parse_ip(whole.m, whole.ip, h), Drop::kNone);
    EXPECT_FALSE(h.partial);
    EXPECT_EQ(h.protocol, kUdp);
    EXPECT_EQ(h.payload - h.ip, s.v4 ? 20 : 56);
    EXPECT_EQ(bytes_of(whole.m)[0], 0xee) << "the frame of the first fragment";
    const std::uint8_t* at = bytes_of(whole.m);
    EXPECT_EQ(h.ip + h.length, rte_pktmbuf_data_len(whole.m));
    Buffer out(at + h.payload, at + h.ip + h.length);
    EXPECT_EQ(h.sport, load_be16(out.data()));
    rte_pktmbuf_free(whole.m);
    return out;
  }
  std::uint64_t dropped(Drop reason) const { return counters_.dropped[static_cast<std::size_t>(reason)]; }
  // Everything that came in is out, merged, dropped, or waits.
  void TearDown() override {
    now_ += 1000 * kSecond;
    reassembly_.expire(now_);
    std::uint64_t all = out_ + counters_.reassembled;
    for (const Counter& c : counters_.dropped) all += c;
    EXPECT_EQ(all, in_);
    EXPECT_EQ(rte_mempool_in_use_count(Pools::get().large), 0u);
    EXPECT_EQ(rte_mempool_in_use_count(Pools::get().small), 0u);
  }

  static constexpr std::uint64_t kSecond = 1000;
  std::uint64_t now_ = 1'000'000, in_ = 0, out_ = 0;
  WorkerCounters counters_;
  Reassembly reassembly_{Pools::get().large, Pools::get().small, kSecond, counters_};
};

TEST_F(ReassemblyTest, Rfc791_3_2_AnyCutInAnyOrderWithDuplicatesIsTheSameDatagram) {
  std::mt19937 random(1);
  for (unsigned round = 0; round < 400; ++round) {
    const Sender s{.v4 = round % 2 == 0, .id = static_cast<std::uint16_t>(round)};
    const Buffer all = payload(16 + random() % 9000, round);
    std::vector<Buffer> frames;
    for (std::size_t from = 0; from < all.size();) {
      const std::size_t to = std::min(all.size(), from + 8 * (1 + random() % 180));
      frames.push_back(fragment(s, all, from, to));
      from = to;
    }
    if (frames.size() < 2) continue;
    if (frames.size() > 2) frames.push_back(frames[random() % (frames.size() - 1)]);
    std::ranges::shuffle(frames, random);
    Buffer got;
    for (const Buffer& frame : frames)
      if (const auto whole = add(frame); whole.m != nullptr) got = take(whole, s);
    EXPECT_EQ(got, all) << round;
    now_ += 40 * kSecond;  // a duplicate that came last begins a datagram that never ends
    reassembly_.expire(now_);
  }
}

TEST_F(ReassemblyTest, Rfc5722_OverlapEndsTheDatagram) {
  for (const bool v4 : {true, false}) {
    const Sender s{.v4 = v4};
    const Buffer all = payload(2400, 1), other = payload(2400, 2);
    EXPECT_EQ(add(fragment(s, all, 0, 1200)).m, nullptr);
    EXPECT_EQ(add(fragment(s, other, 1192, 2400)).m, nullptr);
    EXPECT_EQ(add(fragment(s, all, 1200, 2400)).m, nullptr)
        << "it begins anew, and its first part is missing";
  }
  EXPECT_EQ(dropped(Drop::kFragmentOverlap), 4u);
  // The same place with other bytes, and two ends.
  const Sender s{.id = 8};
  const Buffer all = payload(2400, 1), other = payload(2400, 2), longer = payload(4000, 1);
  add(fragment(s, all, 0, 1200));
  add(fragment(s, other, 0, 1200));
  EXPECT_EQ(dropped(Drop::kFragmentOverlap), 6u);
  add(fragment(s, all, 1200, 2400));
  add(fragment(s, longer, 2400, 3200));
  EXPECT_EQ(dropped(Drop::kFragmentOverlap), 8u);
}

// RFC 4301 §7, RFC 4303 §3.4.1: whose fragments they are decides as well.
TEST_F(ReassemblyTest, WhatCameDifferentWaysIsNeverMixed) {
  const Sender s;
  const Buffer all = payload(2400, 1);
  EXPECT_EQ(add(fragment(s, all, 0, 1200), 1).m, nullptr);
  EXPECT_EQ(add(fragment(s, all, 1200, 2400), 2).m, nullptr);
  EXPECT_EQ(take(add(fragment(s, all, 1200, 2400), 1), s), all);
}

TEST_F(ReassemblyTest, FloodOfOneSourceCostsOthersNothing) {
  const Sender victim{.last = 9};
  const Buffer all = payload(2400, 1);
  add(fragment(victim, all, 0, 1200));
  for (std::uint16_t id = 0; id < 500; ++id) {
    ++now_;
    add(fragment({.last = 1, .id = id}, all, 0, 1200));
  }
  EXPECT_EQ(dropped(Drop::kFragmentLimit), 500 - Reassembly::kPerSource);
  EXPECT_EQ(take(add(fragment(victim, all, 1200, 2400)), victim), all);
  // Of many sources the oldest datagram goes.
  for (unsigned source = 0; source < 200; ++source) {
    ++now_;
    add(fragment({.last = static_cast<std::uint8_t>(source + 20)}, all, 0, 1200));
  }
  EXPECT_LE(rte_mempool_in_use_count(Pools::get().large), Reassembly::kDatagrams);
}

TEST_F(ReassemblyTest, WhatTakesTooLongIsGivenUp) {
  const Sender s;
  const Buffer all = payload(2400, 1);
  add(fragment(s, all, 0, 1200));
  now_ += Reassembly::kSeconds * kSecond;
  reassembly_.expire(now_);
  EXPECT_EQ(dropped(Drop::kFragmentTimeout), 0u);
  now_ += kSecond;
  reassembly_.expire(now_);
  EXPECT_EQ(dropped(Drop::kFragmentTimeout), 1u);
  EXPECT_EQ(add(fragment(s, all, 1200, 2400)).m, nullptr);
}

TEST_F(ReassemblyTest, Rfc3168_5_3_CongestionOfOneFragmentIsTheDatagrams) {
  const Buffer all = payload(2400, 1);
  for (const bool v4 : {true, false}) {
    const Sender ect{.v4 = v4, .ecn = 2}, ce{.v4 = v4, .ecn = 3}, not_ect{.v4 = v4, .ecn = 0};
    add(fragment(ect, all, 0, 1200));
    const auto whole = add(fragment(ce, all, 1200, 2400));
    ASSERT_NE(whole.m, nullptr);
    EXPECT_EQ(traffic_class(bytes_of(whole.m) + whole.ip, v4) & 3, 3);
    EXPECT_EQ(take(whole, ect), all);
    add(fragment(not_ect, all, 0, 1200));
    EXPECT_EQ(add(fragment(ce, all, 1200, 2400)).m, nullptr);
  }
  EXPECT_EQ(dropped(Drop::kEcn), 4u);
}

TEST_F(ReassemblyTest, FragmentsThatContradictThemselvesAreMalformed) {
  const Buffer all = payload(2400, 1);
  add(fragment({}, all, 0, 1201));  // not a multiple of eight, and not the last
  EXPECT_EQ(dropped(Drop::kMalformed), 1u);
  Buffer far = fragment({}, all, 1200, 2400);
  store_be16(far.data() + kEthernetBytes + 6, 0x1fff);
  set_ipv4_checksum(far.data() + kEthernetBytes);
  add(far);
  EXPECT_EQ(dropped(Drop::kTooBig), 1u);
}

}  // namespace
}  // namespace simplon::dp

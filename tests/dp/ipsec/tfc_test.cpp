// SPDX-License-Identifier: Apache-2.0
// Traffic flow confidentiality (RFC 4303 §2.6, §2.7): padding that makes packets of one length, and dummies
// that look like them.
#include <gtest/gtest.h>
#include <rte_ip.h>

#include <set>

#include "dp/ipsec/outer_header.h"
#include "tests/dp/dressed.h"
#include "tests/dp/icmp.h"

namespace simplon::dp::test {
namespace {

class EveryPaddedSuite : public testing::TestWithParam<SuiteAndEsn> {};

TEST_P(EveryPaddedSuite, HasOneLengthOfPacketsAndDummies) {
  const auto& [suite, esn] = GetParam();
  for (const Mix& mix : kMixes)
    for (const bool udp : {false, true}) {
      SaOptions options{.suite = suite, .esn = esn, .tunnel = {.tfc = kTfcMtu, .dummies = 1}};
      if (udp) options.udp = UdpPorts{Port{4500}, Port{4500}};
      Pair pair(options, mix);
      const unsigned largest = sa_of(pair.left).inner_mtu;
      const auto headers = static_cast<unsigned>(inner_of(mix, 0).size());
      std::set<std::size_t> lengths;
      for (const unsigned payload : {0u, 1u, 13u, 64u, 1000u, largest - headers}) {
        const Buffer outer = pair.seal(inner_of(mix, payload));
        lengths.insert(outer.size());
        if (udp && outer[0] >> 4 == 6) {
          EXPECT_EQ(rte_ipv6_udptcp_cksum_verify(reinterpret_cast<const rte_ipv6_hdr*>(outer.data()),
                                                 outer.data() + 40),
                    0);
        }
        const auto opened = pair.open(outer);
        ASSERT_EQ(opened.size(), 1u) << mix.name << payload;
        EXPECT_EQ(ip_of(opened[0]), inner_of(mix, payload, 62)) << "cut to the length of the IP packet";
      }
      EXPECT_EQ(pair.left.registry().counters(SaId{1})->bytes, 6u * largest) << "with the padding";
      const auto dummy = dummy_of(pair.left);
      ASSERT_EQ(dummy.size(), 1u);
      lengths.insert(ip_of(dummy[0]).size());
      EXPECT_EQ(lengths.size(), 1u);
      EXPECT_LE(*lengths.begin(), 1500u);
      EXPECT_GT(*lengths.begin() + suite.encr->block, 1500u);
      EXPECT_TRUE(pair.open(ip_of(dummy[0])).empty());
      EXPECT_EQ(pair.right.dropped(Drop::kDummy), 1u);
      EXPECT_EQ(pair.right.registry().counters(SaId{1})->packets, 6u);
    }
}

INSTANTIATE_TEST_SUITE_P(Rfc4303_2_7, EveryPaddedSuite, every_suite_and_esn(), suite_and_esn_name);

// An SA that sends nothing else is idle, and the entry has protected nothing.
TEST(Rfc4303_2_6, DummiesAreNoHitsAndKeepNoSaBusy) {
  using namespace std::chrono_literals;
  Pair pair({.tunnel = {.dummies = 1}});
  Registry& registry = pair.left.registry();
  Registry::Now now{100s};
  const auto pass = [&](auto&& each) {
    for (int i = 0; i < 20; ++i) {
      each();
      registry.tick(now += 1s);
    }
    return registry.counters(SaId{1})->idle;
  };
  const auto hits = [&] { return registry.hits().entries.at(PolicyId{1}).out; };
  EXPECT_LE(pass([&] { pair.seal(inner_of(kMixes[0], 40)); }), 1s) << "the control";
  EXPECT_EQ(hits(), 20u);
  EXPECT_GE(pass([&] { EXPECT_EQ(dummy_of(pair.left).size(), 1u); }), 18s);
  EXPECT_EQ(hits(), 20u);
  EXPECT_EQ(registry.counters(SaId{1})->packets, 40u) << "which the limits of the SA are about";
  registry.remove_sa(SaId{1});
  for (int i = 0; i < 3; ++i) pair.left.worker().turn(), registry.collect();
  EXPECT_EQ(hits(), 20u) << "also when it is gone";
}

TEST(Rfc4303_2_7, ANumberIsTheLeastLengthAndLongerPacketsStay) {
  Pair pair({.tunnel = {.tfc = 600}});
  const auto length = [&](unsigned inner) { return pair.seal(inner_of(kMixes[0], inner - 28)).size(); };
  Pair plain;
  const auto plain_length = [&](unsigned inner) {
    return plain.seal(inner_of(kMixes[0], inner - 28)).size();
  };
  EXPECT_EQ(length(28), plain_length(600));
  EXPECT_EQ(length(600), plain_length(600));
  EXPECT_EQ(length(700), plain_length(700));
  EXPECT_NE(plain_length(28), plain_length(600)) << "without it they differ";
  EXPECT_EQ(pair.left.registry().counters(SaId{1})->bytes, 600u + 600u + 700u);
}

// What a cipher that hides nothing shows: zeros behind the IP packet, then the trailer.
TEST(Rfc4303_2_7, ThePaddingIsZerosAndADummyHasNoNextHeader) {
  Pair pair({.suite = *find_suite("null-sha256"), .tunnel = {.tfc = 200, .dummies = 1}});
  const Buffer inner = inner_of(kMixes[0], 41, 63), outer = pair.seal(inner_of(kMixes[0], 41));
  const Buffer payload(outer.begin() + 28, outer.end() - 16);
  ASSERT_EQ(payload.size(), 204u) << "and two octets that fill up to four, and the trailer";
  EXPECT_EQ(Buffer(payload.begin(), payload.begin() + 69), inner);
  EXPECT_EQ(Buffer(payload.begin() + 69, payload.begin() + 200), Buffer(131));
  EXPECT_EQ(Buffer(payload.begin() + 200, payload.end()), (Buffer{1, 2, 2, kIpip}));
  const Buffer dummy = ip_of(dummy_of(pair.left).at(0));
  ASSERT_EQ(dummy.size(), outer.size());
  EXPECT_EQ(Buffer(dummy.end() - 20, dummy.end() - 16), (Buffer{1, 2, 2, kNoNextHeader}));
}

// Lifetimes in bytes are of what the algorithm was applied to (RFC 4301 §4.4.2.1), and dummies are packets.
TEST(Rfc4301_4_4_2_1, PaddingAndDummiesCountForTheLifetime) {
  SaOptions options{.tunnel = {.tfc = 1000, .dummies = 1}};
  options.hard.bytes = ByteCount{2500};
  Pair pair(options);
  EXPECT_EQ(pair.left.pass(inner_of(kMixes[0], 0), Origin::kProtected, kLan).size(), 1u);
  EXPECT_EQ(dummy_of(pair.left).size(), 1u);
  EXPECT_EQ(pair.left.pass(inner_of(kMixes[0], 0), Origin::kProtected, kLan).size(), 1u);
  EXPECT_TRUE(pair.left.pass(inner_of(kMixes[0], 0), Origin::kProtected, kLan).empty());
  EXPECT_EQ(pair.left.dropped(Drop::kLifetimeExpired), 1u);
  EXPECT_EQ(pair.left.registry().counters(SaId{1})->bytes, 3000u);
  EXPECT_EQ(pair.left.registry().counters(SaId{1})->packets, 3u);
}

// The error quotes the packet as it came.
TEST(Rfc792, ATtlThatEndsIsAnsweredAsWithoutPadding) {
  for (const Mix& mix : {kMixes[0], kMixes[1]}) {
    Pair padded({.tunnel = {.tfc = kTfcMtu}}, mix), plain({}, mix);
    const Buffer inner = inner_of(mix, 40, 1);
    const auto told_padded = padded.left.pass(inner, Origin::kProtected, kLan),
               told_plain = plain.left.pass(inner, Origin::kProtected, kLan);
    ASSERT_EQ(told_padded.size(), 1u);
    ASSERT_EQ(told_plain.size(), 1u);
    EXPECT_EQ(told(told_padded), told(told_plain));
    EXPECT_EQ(told_padded[0].size(), told_plain[0].size());
    EXPECT_EQ(Buffer(told_padded[0].end() - static_cast<std::ptrdiff_t>(inner.size()), told_padded[0].end()),
              inner);
    EXPECT_EQ(padded.left.dropped(Drop::kTtlExpired), 1u);
    EXPECT_EQ(padded.left.registry().counters(SaId{1})->packets, 0u);
  }
}

TEST(Rfc4301_8, WhatIsTooLargeIsSoByItsOwnLength) {
  for (const std::uint16_t tfc : {std::uint16_t{kTfcMtu}, std::uint16_t{9000}}) {
    Pair pair({.tunnel = {.tfc = tfc}});
    const unsigned largest = sa_of(pair.left).inner_mtu;
    const auto pass = [&](unsigned length) {
      return pair.left.pass(with_df(inner_of(kMixes[0], length - 28)), Origin::kProtected, kLan);
    };
    for (const unsigned length : {28u, largest - 1, largest}) {
      const auto out = pass(length);
      ASSERT_EQ(out.size(), 1u);
      EXPECT_LE(ip_of(out[0]).size(), 1500u);
      EXPECT_GT(ip_of(out[0]).size(), 1496u);
    }
    const auto answer = told(pass(largest + 1));
    ASSERT_EQ(answer.size(), 1u);
    EXPECT_EQ(answer[0].mtu, largest);
  }
}

TEST(Rfc4301_8, EachFragmentIsPaddedWhereItIsCutBeforeEsp) {
  Pair pair({.tunnel = {.tfc = kTfcMtu}});
  const auto pieces = pair.left.pass(inner_of(kMixes[0], 1472), Origin::kProtected, kLan);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].size(), pieces[1].size());
  for (const Buffer& piece : pieces) EXPECT_EQ(pair.open(ip_of(piece)).size(), 1u);
}

TEST(Rfc4301_8, AndNoneWhereTheEspPacketIsCut) {
  const auto octets = [](const TunnelOptions& tunnel) {
    Pair pair({.mtu = {.fragmentation = Fragmentation::kAfterEsp}, .tunnel = tunnel});
    std::size_t out = 0;
    for (const Buffer& piece : pair.left.pass(inner_of(kMixes[0], 1472), Origin::kProtected, kLan))
      out += ip_of(piece).size();
    return out;
  };
  EXPECT_EQ(octets({.tfc = kTfcMtu}), octets({}));
}

TEST(Rfc1191_3, APathThatTakesLessIsPaddedForLess) {
  Pair pair({.tunnel = {.tfc = kTfcMtu, .dummies = 1}});
  const std::size_t before = pair.seal(inner_of(kMixes[0], 0)).size();
  ASSERT_TRUE(pair.left.registry().learn_path_mtu(Spi{0x1001}, pair.options.to, 1, 1300));
  const std::size_t after = pair.seal(inner_of(kMixes[0], 0)).size();
  EXPECT_GT(before, 1496u);
  EXPECT_LE(after, 1300u);
  EXPECT_GT(after, 1296u);
  EXPECT_EQ(ip_of(dummy_of(pair.left).at(0)).size(), after);
}

// A dummy has the outer fields of the packet before it.
TEST(Rfc4303_2_6, ADummyLooksLikeTheLastPacket) {
  for (const Mix& mix : kMixes) {
    SaOptions options{.mtu = {.df = DfBit::kCopy},
                      .tunnel = {.ttl = 33, .flow_label = FlowLabel::kFlow, .dummies = 1}};
    Pair pair(options, mix);
    for (const std::uint8_t tclass : {0x00, 0xb9, 0x22})
      for (const unsigned payload : {0u, 77u, 500u})
        for (const bool df : {false, true}) {
          Buffer inner = inner_of(mix, payload);
          if (is_v4(mix.inner_from)) {
            inner[1] = tclass;
            set_ipv4_checksum(inner.data());
            if (df) inner = with_df(inner);
          } else {
            store_be32(inner.data(), 6u << 28 | std::uint32_t{tclass} << 20);
          }
          const Buffer outer = pair.seal(inner), dummy = ip_of(dummy_of(pair.left).at(0));
          ASSERT_EQ(dummy.size(), outer.size());
          EXPECT_TRUE(pair.open(dummy).empty());
          if (is_v4(mix.outer_from)) {
            EXPECT_EQ(ipv4_checksum_sum(dummy.data(), 20), 0xffff);
            EXPECT_EQ(Buffer(dummy.begin(), dummy.begin() + 4), Buffer(outer.begin(), outer.begin() + 4));
            EXPECT_EQ(Buffer(dummy.begin() + 6, dummy.begin() + 10),
                      Buffer(outer.begin() + 6, outer.begin() + 10));
            EXPECT_EQ(load_be16(dummy.data() + 4),
                      static_cast<std::uint16_t>(load_be16(outer.data() + 4) + 1))
                << "the identification goes on";
          } else {
            EXPECT_EQ(Buffer(dummy.begin(), dummy.begin() + 40), Buffer(outer.begin(), outer.begin() + 40));
          }
        }
    EXPECT_EQ(pair.right.dropped(Drop::kDummy), 18u);
  }
}

TEST(Rfc4303_2_6, BeforeThereWasAPacketADummyIsAsLongAsFits) {
  Pair pair({.tunnel = {.dummies = 1}});
  const Buffer dummy = ip_of(dummy_of(pair.left).at(0));
  EXPECT_LE(dummy.size(), 1500u);
  EXPECT_GT(dummy.size(), 1496u);
  EXPECT_TRUE(pair.open(dummy).empty());
  EXPECT_EQ(pair.right.dropped(Drop::kDummy), 1u);
}

// One burst with packets of a plain SA between those of a padded one.
TEST(Rfc4303_2_7, PlainAndPaddedPacketsOfOneBurstKeepTheirOwnLengths) {
  Pair pair({.tunnel = {.tfc = 900}});
  pair.left.protect(selectors("198.18.1.0/24", "203.0.113.0/24"), Action::kProtect, 2, 20);
  SaOptions other{.spi = Spi{0x3003}, .selectors = selectors("198.18.1.0/24", "203.0.113.0/24"), .id = 3};
  auto spec = std::make_shared<SaSpec>(*make_sa(Direction::kOut, other));
  spec->policy = PolicyId{2};
  ASSERT_TRUE(pair.left.registry().add_sa(spec));
  std::vector<Buffer> burst;
  for (int i = 0; i < 16; ++i)
    burst.push_back(udp4("198.18.1.10", i % 3 == 0 ? "203.0.113.7" : "198.18.2.10", 40));
  const auto frames = pair.left.pass(burst, Origin::kProtected, kLan);
  ASSERT_EQ(frames.size(), 16u);
  std::set<std::size_t> plain, padded;
  for (const Buffer& frame : frames)
    (load_be32(ip_of(frame).data() + 20) == 0x3003 ? plain : padded).insert(frame.size());
  EXPECT_EQ(plain.size(), 1u);
  EXPECT_EQ(padded.size(), 1u);
  EXPECT_LT(*plain.begin(), 200u);
  EXPECT_GT(*padded.begin(), 900u);
}

}  // namespace
}  // namespace simplon::dp::test

// SPDX-License-Identifier: Apache-2.0
// Auditable events (RFC 4301 §5.2, RFC 4303 §3.3.3 and §3.4) that worker_test.cpp does not have.
#include "dp/worker/audit.h"

#include <gtest/gtest.h>

#include "tests/dp/fragments.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

Buffer of_unknown_spi(Buffer esp, std::uint32_t spi) {
  store_be32(esp.data() + kIpv4Bytes, spi);
  return esp;
}

// More SPIs than the table of each reason has places, which a second has not.
TEST(Rfc4303_3_4_2, AFloodOfUnknownSpisHidesNoForgedPacket) {
  Pair pair;
  Buffer forged = pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  forged.back() ^= 1;
  for (std::uint32_t spi = 0x9000; spi < 0x9400; ++spi) pair.open(of_unknown_spi(forged, spi));
  const auto flood = pair.right.events();
  ASSERT_FALSE(flood.empty()) << "the control";
  for (const WorkerEvent& e : flood) EXPECT_EQ(e.reason, Drop::kUnknownSpi);
  EXPECT_LT(flood.size(), 0x400u / 2) << "limited";
  pair.open(forged);
  const auto events = pair.right.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].reason, Drop::kBadIcv);
}

TEST(Rfc4303_3_3_3, TheSenderAuditsAnSaThatHasNoSequenceNumberLeft) {
  const Mix& v6 = kMixes[3];
  Pair pair({}, v6);
  (*pair.left.registry().tables().read()->outbound)[0].sa.read()->next_seq = kLastSequence;
  Buffer inner = udp6(v6.inner_from, v6.inner_to);
  store_be32(inner.data(), 0x60012345);
  pair.seal(inner);
  EXPECT_EQ(pair.left.dropped(Drop::kSequenceExhausted), 0u);
  pair.left.events();  // limits that were reached
  EXPECT_TRUE(pair.left.pass(inner, Origin::kProtected, kLan).empty());
  EXPECT_EQ(pair.left.dropped(Drop::kSequenceExhausted), 1u);
  std::vector<WorkerEvent> told = pair.left.events();
  std::erase_if(told, [](const WorkerEvent& e) { return e.kind != WorkerEvent::Kind::kAudit; });
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].reason, Drop::kSequenceExhausted);
  EXPECT_EQ(told[0].spi, static_cast<std::uint32_t>(pair.options.spi));
  EXPECT_EQ(told[0].sequence, 0xffffffffu);
  EXPECT_EQ(told[0].sa, pair.options.id);
  EXPECT_TRUE(told[0].inner);
  EXPECT_EQ(told[0].source.text(), v6.inner_from);
  EXPECT_EQ(told[0].destination.text(), v6.inner_to);
  EXPECT_EQ(told[0].flow_label, 0x12345u) << "the cleartext flow label";
}

std::vector<WorkerEvent> audited(Lab& lab) {
  std::vector<WorkerEvent> told = lab.events();
  std::erase_if(told, [](const WorkerEvent& e) { return e.kind != WorkerEvent::Kind::kAudit; });
  return told;
}

OutboundSa& first_sa(Lab& lab) { return *(*lab.registry().tables().read()->outbound)[0].sa.read(); }

// A payload has parts of many packets: the outer packet is told of.
TEST(Rfc4303_3_3_3, SoIsAnSaOfAggfrag) {
  for (const Mix& mix : {kMixes[0], kMixes[3]})
    for (const bool udp : {false, true}) {
      SCOPED_TRACE(std::string(mix.name) + (udp ? " udp" : ""));
      SaOptions options{.aggfrag = {.on = true}};
      if (udp) options.udp = UdpPorts{kNatTraversalPort, kNatTraversalPort};
      Pair pair(options, mix);
      first_sa(pair.left).next_seq = kLastSequence;
      const bool v4 = pair.options.from.is_v4();
      const Buffer inner = v4 ? udp4(mix.inner_from, mix.inner_to) : udp6(mix.inner_from, mix.inner_to);
      pair.seal(inner);
      EXPECT_TRUE(audited(pair.left).empty());
      EXPECT_TRUE(pair.left.pass(inner, Origin::kProtected, kLan).empty());
      EXPECT_EQ(pair.left.dropped(Drop::kSequenceExhausted), 1u);
      const auto told = audited(pair.left);
      ASSERT_EQ(told.size(), 1u);
      EXPECT_FALSE(told[0].inner);
      EXPECT_EQ(told[0].reason, Drop::kSequenceExhausted);
      EXPECT_EQ(told[0].spi, static_cast<std::uint32_t>(pair.options.spi));
      EXPECT_EQ(told[0].sequence, 0xffffffffu);
      EXPECT_EQ(told[0].sa, pair.options.id);
      EXPECT_EQ(told[0].source, pair.options.from);
      EXPECT_EQ(told[0].destination, pair.options.to);
      EXPECT_EQ(told[0].protocol, udp ? kUdp : kEsp);
      EXPECT_EQ(told[0].dport, udp ? 4500u : 0u);
    }
}

// As of a dummy, nobody has lost anything.
TEST(Rfc4303_3_3_3, ButNotOfPaddingAlone) {
  Pair pair({.aggfrag = {.on = true, .packet = 500, .rate = 5000}});
  first_sa(pair.left).next_seq = kLastSequence + 1;
  for (int i = 0; i < 50'000'000 && pair.left.dropped(Drop::kSequenceExhausted) < 2; ++i)
    pair.left.pass(std::vector<Buffer>{}, Origin::kProtected, kLan);
  ASSERT_GE(pair.left.dropped(Drop::kSequenceExhausted), 2u);
  EXPECT_TRUE(audited(pair.left).empty());
  std::vector<WorkerEvent> told;
  pair.left.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kProtected, kLan);
  for (int i = 0; i < 50'000'000 && (told = audited(pair.left)).empty(); ++i)
    pair.left.pass(std::vector<Buffer>{}, Origin::kProtected, kLan);
  ASSERT_EQ(told.size(), 1u) << "the control";
  EXPECT_EQ(told[0].reason, Drop::kSequenceExhausted);
}

TEST(Rfc4301_5_2, AnEventOfIpv6HasTheFlowLabelOfThePacket) {
  Pair pair({}, kMixes[3]);
  Buffer esp = pair.seal(udp6(kMixes[3].inner_from, kMixes[3].inner_to));
  esp.back() ^= 1;
  store_be32(esp.data(), (load_be32(esp.data()) & 0xfff00000) | 0xabcde);
  pair.open(esp);
  const auto events = pair.right.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].reason, Drop::kBadIcv);
  EXPECT_EQ(events[0].flow_label, 0xabcdeu);
}

// The sequence number is that of the packet that brought the last fragment.
TEST(Rfc4301_5_2, ADatagramThatIsOutsideWhenItIsWholeIsAudited) {
  Pair pair;
  SaOptions narrow = pair.options;
  narrow.id = 7, narrow.spi = Spi{0x2002};
  narrow.selectors = selectors("198.18.2.0/24[udp/2000]", "198.18.1.0/24");
  ASSERT_TRUE(pair.right.registry().add_sa(make_sa(Direction::kIn, narrow)));
  SaOptions mine = pair.options;
  mine.id = 8, mine.spi = Spi{0x2002};
  mine.selectors = selectors("198.18.1.0/24", "198.18.2.0/24");
  ASSERT_TRUE(pair.left.registry().add_sa(make_sa(Direction::kOut, mine)));
  for (const Buffer& piece : cut(udp4("198.18.1.10", "198.18.2.10", 3000, 0, 64, 2001), 1232))
    EXPECT_TRUE(pair.open(pair.seal(piece)).empty());
  EXPECT_EQ(pair.right.dropped(Drop::kSelectorMismatch), 1u);
  const auto events = pair.right.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, WorkerEvent::Kind::kAudit);
  EXPECT_EQ(events[0].reason, Drop::kSelectorMismatch);
  EXPECT_EQ(events[0].spi, 0x2002u);
  EXPECT_EQ(events[0].sequence, 3u);
  EXPECT_EQ(events[0].sa, 7u);
  EXPECT_EQ(events[0].source.text(), "198.18.1.10");
  EXPECT_EQ(events[0].dport, 2001u) << "known now";
  EXPECT_EQ(events[0].start_bytes, events[0].start.size()) << "for INVALID_SELECTORS";
}

}  // namespace
}  // namespace simplon::dp::test

// SPDX-License-Identifier: Apache-2.0
// Dummy packets that the control thread asks for (RFC 4303 §2.6): how many, and what becomes of those whose
// SA has gone.
#include "dp/device/dummies.h"

#include <gtest/gtest.h>

#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

using namespace std::chrono_literals;
using Now = Dummies::Now;

// A tunnel whose left end wants dummies, and a clock.
struct Sender {
  Pair pair;
  Dummies dummies{pair.left.registry(), {pair.left.mailbox()}, Shared::get().buffers};
  Now now = Now{} + 1000s;

  explicit Sender(TunnelOptions options = {.tfc = kTfcMtu, .dummies = 100}) : pair({.tunnel = options}) {
    dummies.tick(now);
    drain();
  }
  // What the time brings into the mailbox, in steps of 10 ms.
  unsigned asked(std::chrono::milliseconds time) {
    for (const Now end = now + time; now < end;) dummies.tick(now += 10ms);
    return rte_ring_count(pair.left.mailbox());
  }
  std::vector<Buffer> sent() { return pair.left.pass(std::vector<Buffer>{}, Origin::kProtected, kLan); }
  void drain() { (void)sent(); }
  std::uint64_t packets() { return pair.left.registry().counters(SaId{1})->packets; }
};

// Who has nothing to send asks for nothing, and nothing waits in the mailbox.
std::uint64_t buffers_in_use() { return rte_mempool_in_use_count(Shared::get().buffers); }

TEST(Rfc4303_2_6, SoManyASecondAreAskedFor) {
  for (const std::uint16_t rate : {1, 7, 100}) {
    Sender sender({.dummies = rate});
    unsigned all = 0;
    for (int i = 0; i < 30; ++i) all += sender.asked(100ms), sender.drain();
    EXPECT_GE(all, rate * 3u - 1u);
    EXPECT_LE(all, rate * 3u + 1u);
  }
}

TEST(Rfc4303_2_6, ADummyLeavesAndTheOtherEndDropsItWithoutAWord) {
  Sender sender;
  const std::uint64_t before = sender.packets(), asked = sender.asked(100ms);
  ASSERT_GT(asked, 5u);
  const auto frames = sender.sent();
  ASSERT_EQ(frames.size(), asked);
  EXPECT_EQ(sender.packets(), before + asked) << "each has a sequence number";
  EXPECT_GE(sender.pair.left.worker().counters().dummies, asked);
  for (const Buffer& frame : frames) EXPECT_TRUE(sender.pair.open(ip_of(frame)).empty());
  EXPECT_EQ(sender.pair.right.dropped(Drop::kDummy), asked);
  EXPECT_TRUE(sender.pair.right.events().empty()) << "nothing to audit";
  EXPECT_EQ(sender.pair.right.registry().counters(SaId{1})->packets, 0u);
  EXPECT_EQ(sender.pair.right.registry().counters(SaId{1})->sequence, sender.packets()) << "it was authentic";
}

TEST(Rfc4303_2_6, NoneAreAskedForWithoutAnSaOrWhileTheGatewayIsOff) {
  Sender sender;
  sender.pair.left.registry().set_gateway(false);
  ASSERT_TRUE(sender.pair.left.registry().commit());
  EXPECT_EQ(sender.asked(500ms), 0u);
  sender.pair.left.registry().set_gateway(true);
  ASSERT_TRUE(sender.pair.left.registry().commit());
  EXPECT_GT(sender.asked(100ms), 0u) << "on again";
  sender.drain();
  sender.pair.left.registry().remove_sa(SaId{1});
  EXPECT_EQ(sender.asked(500ms), 0u);
  Sender plain({.tfc = kTfcMtu});
  EXPECT_EQ(plain.asked(500ms), 0u);
}

// After a rekey the newer one alone sends.
TEST(Rfc4303_2_6, OfTwoSasOfOneEntryTheOneInUseHasThem) {
  Sender sender;
  SaOptions next = sender.pair.options;
  next.id = 2, next.spi = Spi{0x1002};
  next.selectors = selectors("198.18.1.0/24", "198.18.2.0/24");
  ASSERT_TRUE(sender.pair.left.registry().add_sa(make_sa(Direction::kOut, next)));
  const std::uint64_t before = sender.packets();
  const unsigned asked = sender.asked(100ms);
  EXPECT_LE(asked, 11u) << "not for both";
  const auto frames = sender.sent();
  ASSERT_EQ(frames.size(), asked);
  for (const Buffer& frame : frames) EXPECT_EQ(load_be32(ip_of(frame).data() + 20), 0x1002u);
  EXPECT_EQ(sender.packets(), before);
}

TEST(Dummies, LeaveHalfOfTheMailboxToPackets) {
  Sender sender({.dummies = 10000});
  const unsigned asked = sender.asked(1000ms), capacity = rte_ring_get_capacity(sender.pair.left.mailbox());
  EXPECT_LE(asked, capacity / 2 + 1);
  EXPECT_GE(asked, capacity / 2 - 1) << "it was tried";
  const std::uint64_t held = buffers_in_use();
  EXPECT_EQ(sender.sent().size(), asked);
  EXPECT_LE(buffers_in_use(), held - asked) << "all were freed";
}

TEST(Dummies, WhatWasMissedIsNotMadeUpFor) {
  Sender sender;
  sender.now += 60s;
  sender.dummies.tick(sender.now);
  EXPECT_LE(rte_ring_count(sender.pair.left.mailbox()), 11u);
}

// Between the asking and the making the slot's SA has become another one.
TEST(Dummies, AreMadeForNoOtherKindOfSa) {
  const auto meets = [](auto change, const char* what) {
    SCOPED_TRACE(what);
    Sender sender;
    const unsigned asked = sender.asked(50ms);
    ASSERT_GT(asked, 0u);
    const std::uint64_t before = sender.pair.left.worker().counters().dummies;
    change(sender.pair.left.registry());
    EXPECT_TRUE(sender.sent().empty());
    EXPECT_EQ(sender.pair.left.dropped(Drop::kDummy), asked);
    EXPECT_EQ(sender.pair.left.worker().counters().dummies, before + asked);
    for (const Drop fault : {Drop::kNoSa, Drop::kGatewayOff, Drop::kMalformed, Drop::kLifetimeExpired})
      EXPECT_EQ(sender.pair.left.dropped(fault), 0u) << name(fault);
    EXPECT_TRUE(sender.pair.left.events().empty()) << "IKE is not asked for an SA";
  };
  const auto instead = [](SaOptions next) {
    return [next](Registry& registry) mutable {
      next.id = 2, next.spi = Spi{0x1002};
      const bool transport = next.mode == SaMode::kTransport;
      next.selectors =
          transport ? selectors("198.51.100.1", "198.51.100.2") : selectors("198.18.1.0/24", "198.18.2.0/24");
      ASSERT_TRUE(registry.add_sa(make_sa(Direction::kOut, next)));
    };
  };
  meets([](Registry& registry) { registry.remove_sa(SaId{1}); }, "none");
  meets([](Registry& registry) { registry.set_gateway(false), (void)registry.commit(); }, "switched off");
  meets(instead({}), "a plain one");
  meets(instead({.tunnel = {.tfc = kTfcMtu}}), "one with TFC, without dummies");
  meets(instead({.mode = SaMode::kTransport}), "transport mode");
  for (const SaMode mode : {SaMode::kTunnel, SaMode::kTransport})
    meets(instead({.suite = *find_ah_suite("sha256"), .protocol = IpsecProtocol::kAh, .mode = mode}), "AH");
  meets(instead({.suite = *find_ah_suite("sha256"),
                 .tunnel = {.dscp = fixed_dscp(1)},
                 .protocol = IpsecProtocol::kAh}),
        "AH that is dressed");
}

TEST(Dummies, AnSaWhoseLifeIsOverSendsNoneAndLosesNobodysPacket) {
  Sender sender;
  sender.pair.left.registry().remove_sa(SaId{1});
  SaOptions limited = sender.pair.options;
  limited.selectors = selectors("198.18.1.0/24", "198.18.2.0/24");
  limited.hard.packets = PacketCount{3};
  limited.id = 3;
  ASSERT_TRUE(sender.pair.left.registry().add_sa(make_sa(Direction::kOut, limited)));
  ASSERT_GT(sender.asked(100ms), 3u);
  EXPECT_EQ(sender.sent().size(), 3u);
  EXPECT_EQ(sender.pair.left.dropped(Drop::kLifetimeExpired), 0u);
  EXPECT_GT(sender.pair.left.dropped(Drop::kDummy), 0u);
}

}  // namespace
}  // namespace simplon::dp::test

// SPDX-License-Identifier: Apache-2.0
// Who has which sequence lease and from when to when, where an SA begins, and replay windows that are
// published and taken up (RFC 4303 §3.4.3).
#include <gtest/gtest.h>

#include <random>

#include "dp/sa/lease.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

using namespace std::chrono_literals;
using Now = std::chrono::steady_clock::time_point;

const Selectors kOut = selectors("198.18.1.0/24", "198.18.2.0/24"),
                kIn = selectors("198.18.2.0/24", "198.18.1.0/24");
const Buffer kPacket = udp4("198.18.1.10", "198.18.2.10");

// Left encrypts; right decrypts, and has leases.
struct Ends {
  std::array<SaLease, 3> leases;
  Lab left{0, true}, right;
  SaOptions options;

  explicit Ends(const SaStart& start = {.lease = 0}, SaOptions o = {}, bool closed = false)
      : right(1, false, {}, "", "", leases, closed), options(std::move(o)) {
    left.protect(kOut);
    right.protect(kIn);
    options.selectors = kOut;
    EXPECT_TRUE(left.registry().add_sa(make_sa(Direction::kOut, options)));
    options.selectors = kIn;
    const auto done = right.registry().add_sa(make_sa(Direction::kIn, options), start);
    EXPECT_TRUE(done) << (done ? "" : done.error().what);
  }
  std::vector<Buffer> seal(unsigned n) {
    std::vector<Buffer> out;
    for (const Buffer& frame : left.pass(std::vector<Buffer>(n, kPacket), Origin::kProtected, kLan))
      out.push_back(ip_of(frame));
    return out;
  }
  std::size_t open(const std::vector<Buffer>& outer) {
    return right.pass(outer, Origin::kUnprotected, kWan).size();
  }
  std::uint64_t top() { return right.registry().counters(SaId{1})->sequence; }
  void begin_at(std::uint64_t seq) {
    (*left.registry().tables().read()->outbound)[0].sa.read()->next_seq = seq;
  }
  std::string error(Direction direction, const SaStart& start, Esn esn = Esn::kOff) {
    const auto done = right.registry().add_sa(
        make_sa(direction, {.spi = Spi{0x5001}, .selectors = kIn, .esn = esn, .id = 7}), start);
    return done ? "" : done.error().what;
  }
  void collect() {
    right.pass(std::vector<Buffer>{}, Origin::kUnprotected, kWan);
    right.registry().collect();
  }
};

TEST(Rfc4303_3_4_3, TheFloorIsNeverAboveTheTopNorFarBehind) {
  for (const Esn esn : {Esn::kOff, Esn::kOn}) {
    Ends ends({.lease = 0}, {.window = 256, .esn = esn});
    std::mt19937 random(3);
    std::uint64_t last = 0, taken = 0, risen = 0;
    while (risen < 3) {
      std::vector<Buffer> packets = ends.seal(32);
      std::ranges::shuffle(packets, random);
      packets.resize(20 + random() % 12);  // the others are lost
      taken += ends.open(packets);
      const std::uint64_t floor = ends.leases[0].floor;
      ASSERT_GE(floor, last) << "it never falls";
      ASSERT_LE(floor, ends.top());
      risen += floor != last;
      last = floor;
      ASSERT_LT(taken, (risen + 1) * kFloorStep + 32) << "published after so many packets";
    }
  }
}

TEST(Rfc4303_3_4_3, AWindowThatIsTakenUpRefusesWhatWasPublishedAndTakesTheNext) {
  for (const std::uint32_t size : {0u, 64u, 1024u}) {
    Ends before({.lease = 0}, {.window = size});
    const std::vector<Buffer> old = before.seal(100), next = before.seal(100);
    EXPECT_EQ(before.open(old), 100u);
    before.right.registry().publish_floors();
    EXPECT_EQ(before.leases[0].floor, 100u);
    Ends after({.replay_top = before.leases[0].floor}, {.window = size});
    EXPECT_EQ(after.top(), 100u);
    EXPECT_EQ(after.open(old), size == 0 ? 100u : 0u) << "a window of " << size;
    EXPECT_EQ(after.open(next), 100u);
    EXPECT_EQ(after.open(next), size == 0 ? 100u : 0u);
  }
}

TEST(Rfc4303_A2_2, AWindowThatIsTakenUpKnowsTheHighHalf) {
  constexpr std::uint64_t kEdge = std::uint64_t{1} << 32;
  for (const std::uint64_t top : {kEdge - 3, kEdge, kEdge + 3, 5 * kEdge - 1}) {
    Ends ends({.replay_top = top, .lease = 0}, {.esn = Esn::kOn});
    ends.begin_at(top - 5);
    EXPECT_EQ(ends.open(ends.seal(6)), 0u) << top;
    EXPECT_EQ(ends.right.dropped(Drop::kReplayed), 6u);
    EXPECT_EQ(ends.open(ends.seal(6)), 6u) << top;
    EXPECT_EQ(ends.top(), top + 6);
    ends.right.registry().publish_floors();
    EXPECT_EQ(ends.leases[0].floor, top + 6);
  }
}

TEST(Rfc9347_2_2_3, PayloadsThatCameToAnotherAreNotWaitedFor) {
  Ends ends({.replay_top = 70'000, .lease = 0}, {.aggfrag = {.on = true}});
  ends.begin_at(70'001);
  const auto outer = ends.seal(2);
  ASSERT_FALSE(outer.empty());
  EXPECT_EQ(ends.open(outer), 2u);
  EXPECT_EQ(ends.right.registry().counters(SaId{1})->aggfrag->lost, 0u);
}

TEST(ReplayFloor, IsPublishedOnceASecondToo) {
  Ends ends;
  Now now = Now{} + 1000s;
  ends.right.registry().tick(now);
  EXPECT_EQ(ends.open(ends.seal(7)), 7u);
  EXPECT_EQ(ends.leases[0].floor, 0u);
  for (int i = 0; i < 101; ++i) ends.right.registry().tick(now += 10ms);
  EXPECT_EQ(ends.leases[0].floor, 7u);
  // A value that is older by now does not lower it.
  ends.leases[0].floor = 9;
  for (int i = 0; i < 101; ++i) ends.right.registry().tick(now += 10ms);
  EXPECT_EQ(ends.leases[0].floor, 9u);
}

TEST(SequenceLease, IsFreeAgainWhenNobodySendsByItsSaAnyMore) {
  Ends ends;
  ASSERT_EQ(ends.error(Direction::kOut, {.next_sequence = 40, .lease = 2}), "");
  EXPECT_EQ(ends.leases[2].ceiling, 40 + kLeaseStep);
  EXPECT_EQ(ends.leases[0].ceiling, 1u) << "an inbound SA's slot is not free either";
  EXPECT_EQ(ends.open(ends.seal(3)), 3u);
  ends.right.registry().publish_floors();
  for (const std::uint64_t id : {1, 7}) ends.right.registry().remove_sa(SaId{id});
  ends.right.registry().collect();
  EXPECT_EQ(ends.leases[2].ceiling, 40 + kLeaseStep) << "a worker may still be sending";
  EXPECT_EQ(ends.leases[0].floor, 3u);
  EXPECT_NE(ends.error(Direction::kOut, {.lease = 2}), "");
  ends.collect();
  for (const int i : {0, 2}) {
    EXPECT_EQ(ends.leases[i].ceiling, 0u);
    EXPECT_EQ(ends.leases[i].floor, 0u);
  }
  EXPECT_EQ(ends.error(Direction::kOut, {.lease = 2}), "");
  EXPECT_EQ(ends.leases[2].ceiling, 1 + kLeaseStep);
}

TEST(SequenceLease, OutlivesTheRegistryAsLongAsItsSaIsThere) {
  std::array<SaLease, 2> leases;
  {
    Lab lab(0, true, {}, "", "", leases);
    lab.protect(kOut);
    for (const std::uint64_t id : {1, 2})
      ASSERT_TRUE(lab.registry().add_sa(
          make_sa(Direction::kOut,
                  {.spi = Spi{0x1000 + static_cast<std::uint32_t>(id)}, .selectors = kOut, .id = id}),
          {.lease = static_cast<std::uint32_t>(id - 1)}));
    lab.registry().remove_sa(SaId{2});
  }
  EXPECT_EQ(leases[0].ceiling, 1 + kLeaseStep);
  EXPECT_EQ(leases[1].ceiling, 0u);
}

TEST(SequenceLease, WhatCannotBeIsRefusedAndChangesNothing) {
  Ends ends;
  const auto has = [](const std::string& text, const char* what) {
    EXPECT_NE(text.find(what), std::string::npos) << text;
  };
  has(ends.error(Direction::kOut, {.lease = 0}), "another SA has the sequence lease 0");
  has(ends.error(Direction::kOut, {.lease = 3}), "there is no sequence lease 3: there are 3");
  has(ends.error(Direction::kOut, {.next_sequence = 0}), "cannot begin with the sequence number 0");
  has(ends.error(Direction::kOut, {.next_sequence = kLastSequence + 2}),
      "there are those from 1 to 4294967295");
  has(ends.error(Direction::kIn, {.replay_top = kLastSequence + 1}),
      "the last sequence number is 4294967295");
  EXPECT_EQ(ends.error(Direction::kOut, {.next_sequence = kLastSequence + 2, .lease = 1}, Esn::kOn), "")
      << "the control";
  // The SPI is taken: the slot stays as it was.
  SaOptions twin = ends.options;
  twin.id = 9;
  EXPECT_FALSE(ends.right.registry().add_sa(make_sa(Direction::kIn, twin), {.replay_top = 5, .lease = 2}));
  EXPECT_EQ(ends.leases[2].ceiling + ends.leases[2].floor, 0u);
  EXPECT_EQ(ends.leases[0].ceiling, 1u);
}

TEST(SequenceLease, AnSaNeverBeginsBelowIt) {
  Ends ends;
  ends.leases[1].ceiling = 900;
  ends.leases[2].ceiling = 1, ends.leases[2].floor = 50;
  ASSERT_EQ(ends.error(Direction::kOut, {.next_sequence = 17, .lease = 1}), "");
  EXPECT_EQ(ends.right.registry().counters(SaId{7})->sequence, 899u);
  EXPECT_EQ(ends.leases[1].ceiling, 900 + kLeaseStep);
  SaOptions other = ends.options;
  other.id = 8, other.spi = Spi{0x1002};
  ASSERT_TRUE(ends.right.registry().add_sa(make_sa(Direction::kIn, other), {.replay_top = 20, .lease = 2}));
  EXPECT_EQ(ends.right.registry().counters(SaId{8})->sequence, 50u);
}

// Another process still has the SAs, and their leases: what is known of them when they are added is old when
// it ends.
TEST(SequenceLease, WhatIsAddedWhileClosedBeginsWhereTheOtherHasLeftIt) {
  Ends ends({.replay_top = 10, .lease = 0}, {}, true);
  ends.leases[0].ceiling = 1, ends.leases[0].floor = 10;
  ends.leases[1].ceiling = 5000, ends.leases[2].ceiling = 77;
  ASSERT_EQ(ends.error(Direction::kOut, {.next_sequence = 5000, .lease = 1}), "");
  ASSERT_TRUE(ends.right.registry().add_sa(
      make_sa(Direction::kOut, {.spi = Spi{0x5002}, .selectors = kIn, .id = 8}), {.lease = 2}));
  ends.right.registry().remove_sa(SaId{8});
  ends.collect();
  ends.right.registry().publish_floors();
  ends.right.registry().tick(Now{} + 1000s);
  EXPECT_EQ(ends.leases[0].floor, 10u);
  EXPECT_EQ(ends.leases[1].ceiling, 5000u) << "not ours yet";
  EXPECT_EQ(ends.leases[2].ceiling, 77u);
  // The other goes on and ends; then we open.
  ends.leases[0].floor = 11;
  ends.leases[1].ceiling = 90'000;
  ends.right.registry().open();
  EXPECT_EQ(ends.right.registry().counters(SaId{7})->sequence, 89'999u);
  EXPECT_EQ(ends.leases[1].ceiling, 90'000 + kLeaseStep);
  EXPECT_EQ(ends.top(), 11u);
  EXPECT_EQ(ends.open(ends.seal(12)), 1u) << "the 12th";
  ends.leases[1].ceiling = 1'000'000;
  ends.right.registry().open();
  EXPECT_EQ(ends.right.registry().counters(SaId{7})->sequence, 89'999u) << "once";
}

TEST(ClosedWorker, SasThatComeMoveAndGoAreRight) {
  Ends ends({.lease = 0}, {.udp = UdpPorts{Port{4500}, Port{4500}}}, true);
  SaOptions moved = ends.options;
  moved.udp->source = Port{31000};
  ASSERT_TRUE(ends.right.registry().move_sa(make_sa(Direction::kIn, moved)));
  SaOptions gone = ends.options;
  gone.id = 2, gone.spi = Spi{0x1002}, gone.aggfrag.on = true, gone.udp.reset();
  ASSERT_TRUE(ends.right.registry().add_sa(make_sa(Direction::kIn, gone)));
  ends.right.registry().remove_sa(SaId{2});
  for (int i = 0; i < 3; ++i) ends.right.discard(), ends.right.registry().collect();
  EXPECT_EQ(ends.right.registry().retired(), 0u);
  ends.right.registry().open();
  EXPECT_EQ(ends.open(ends.seal(1)), 1u);
  const auto events = ends.right.events();
  ASSERT_EQ(events.size(), 1u) << "it is expected where it was moved to";
  EXPECT_EQ(events[0].kind, WorkerEvent::Kind::kMoved);
}

TEST(ClosedWorker, DropsAllThatComesAndSendsNothing) {
  Ends ends;
  const auto packets = ends.seal(5);
  for (const Buffer& p : packets) rte_ring_enqueue(ends.right.mailbox(), Lab::mbuf(p, kWan));
  const Buffer arp = frame_of(Mac{2, 0, 0, 0, 0, 2}, 0x0806, Buffer(46));
  rte_ring_enqueue(Wire::of(kWan).ring, Lab::mbuf(arp, kWan));
  const std::uint64_t turns = ends.right.worker().counters().turns;
  EXPECT_TRUE(ends.right.discard().empty());
  EXPECT_TRUE(ends.right.punted().empty());
  EXPECT_EQ(ends.right.dropped(Drop::kGatewayOff), 6u);
  EXPECT_EQ(ends.right.worker().counters().turns, turns + 1) << "it lives";
  EXPECT_EQ(ends.top(), 0u);
  EXPECT_EQ(ends.open(packets), 5u) << "the control";
  EXPECT_EQ(ends.right.receive(arp, kWan).size() + ends.right.punted().size(), 1u);
}

}  // namespace
}  // namespace simplon::dp::test

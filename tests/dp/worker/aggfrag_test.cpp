// SPDX-License-Identifier: Apache-2.0
// AGGFRAG (RFC 9347) through two workers: packets that are joined, split, late and lost; at a rate; and an SA
// that goes while something of it waits.
#include <gmock/gmock.h>
#include <rte_cycles.h>

#include "dp/ipsec/aggfrag_out.h"
#include "tests/dp/fragments.h"
#include "tests/dp/icmp.h"
#include "tests/dp/suites.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

using testing::Ge;
using testing::IsEmpty;
using testing::SizeIs;

constexpr unsigned kOverhead = 20 + 8 + 8 + 16;  // of AES-GCM over IPv4, without trailer

SaOptions joining(AggfragOptions options = {}) {
  options.on = true;
  return {.aggfrag = options};
}

std::vector<Buffer> ips(const std::vector<Buffer>& frames) {
  std::vector<Buffer> out;
  for (const Buffer& frame : frames) out.push_back(ip_of(frame));
  return out;
}
std::vector<Buffer> twice_aged(std::vector<Buffer> packets) {
  for (Buffer& p : packets) p = aged(p, 2);
  return packets;
}
std::vector<Buffer> seal(Pair& pair, const std::vector<Buffer>& packets) {
  return ips(pair.left.pass(packets, Origin::kProtected, kLan));
}
std::vector<Buffer> open(Pair& pair, const std::vector<Buffer>& outer) {
  return ips(pair.right.pass(outer, Origin::kUnprotected, kWan));
}
Buffer inner(unsigned octets, std::uint8_t tos = 0, const Mix& mix = kMixes[0]) {
  return std::string_view(mix.inner_from).contains(':')
             ? udp6(mix.inner_from, mix.inner_to, octets - 48)
             : udp4(mix.inner_from, mix.inner_to, octets - 28, tos);
}

// No packet ends without a count; `left`: frames that left the worker, by another one's queue.
void expect_each_is_counted(Lab& lab, std::size_t left) {
  const WorkerCounters& c = lab.worker().counters();
  std::uint64_t dropped = 0;
  for (const Counter& n : c.dropped) dropped += n;
  EXPECT_EQ(c.received + c.fragments + c.icmp_errors,
            left + c.punted + c.handed_over + dropped + c.reassembled + c.waiting);
}

TEST(Rfc9347_2_2, PacketsOfABurstTravelTogether) {
  for (const Mix& mix : kMixes) {
    SCOPED_TRACE(mix.name);
    Pair pair(joining(), mix);
    std::vector<Buffer> packets;
    for (unsigned i = 0; i < 5; ++i) packets.push_back(inner(60 + 4 * i, 0, mix));
    const auto outer = seal(pair, packets);
    ASSERT_THAT(outer, SizeIs(1));
    EXPECT_EQ(open(pair, outer), twice_aged(packets));
    expect_each_is_counted(pair.left, 1);
    expect_each_is_counted(pair.right, packets.size());
  }
}

TEST(Rfc9347_2_2, WhatIsLargerThanThePathIsSplitAndNoRouterHasToFragment) {
  for (const EspSuite& suite : taken_suites()) {
    SaOptions options = joining();
    options.suite = suite;
    Pair pair(options);
    std::vector<Buffer> packets;
    for (unsigned i = 0; i < 7; ++i) packets.push_back(with_df(inner(1500 - i)));
    const auto outer = seal(pair, packets);
    EXPECT_THAT(outer, SizeIs(8)) << suite_name(suite, IpsecProtocol::kEsp);
    for (const Buffer& p : outer) EXPECT_LE(p.size(), 1500u);
    EXPECT_EQ(open(pair, outer), twice_aged(packets)) << suite_name(suite, IpsecProtocol::kEsp);
  }
}

TEST(Rfc9347_2_2, AlsoInUdpAndWithExtendedSequenceNumbers) {
  for (const Mix& mix : kMixes)
    for (const bool udp : {false, true})
      for (const Esn esn : {Esn::kOff, Esn::kOn}) {
        SaOptions options = joining();
        options.esn = esn;
        if (udp) options.udp = UdpPorts{kNatTraversalPort, kNatTraversalPort};
        Pair pair(options, mix);
        const std::vector<Buffer> packets{inner(1400, 0, mix), inner(1400, 0, mix), inner(100, 0, mix)};
        const auto outer = seal(pair, packets);
        EXPECT_THAT(outer, SizeIs(3));
        EXPECT_EQ(open(pair, outer), twice_aged(packets));
      }
}

TEST(Rfc9347_2_2, PacketsThatTravelAreAsLargeAsConfigured) {
  Pair pair(joining({.packet = 600}));
  const std::vector<Buffer> packets{inner(1500)};
  const auto outer = seal(pair, packets);
  EXPECT_THAT(outer, SizeIs(3));
  for (const Buffer& p : outer) EXPECT_LE(p.size(), 600u);
  EXPECT_GT(outer[0].size(), 590u);
  EXPECT_EQ(open(pair, outer), twice_aged(packets));
}

TEST(Rfc9347_2_2_3, WhatIsOutOfOrderOrDoubledComesOutInOrder) {
  Pair pair(joining());
  std::vector<Buffer> packets;
  for (unsigned i = 0; i < 6; ++i) packets.push_back(inner(1000 + i));
  auto outer = seal(pair, packets);
  ASSERT_GE(outer.size(), 4u);
  std::swap(outer[0], outer[1]);
  std::swap(outer[2], outer[3]);
  outer.push_back(outer[0]);
  EXPECT_EQ(open(pair, outer), twice_aged(packets));
  EXPECT_EQ(pair.right.dropped(Drop::kReplayed), 1u);
  expect_each_is_counted(pair.right, packets.size());
}

TEST(Rfc9347_2_2_3, ALostPayloadHoldsTheOthersUpForTheConfiguredTimeAlone) {
  Pair pair(joining({.wait = std::chrono::milliseconds(1)}));
  std::vector<Buffer> packets;
  for (unsigned i = 0; i < 3; ++i) packets.push_back(inner(100 + i));
  std::vector<Buffer> outer;
  for (const Buffer& p : packets) outer.push_back(pair.seal(p));
  EXPECT_EQ(open(pair, {outer[0]}), twice_aged({packets[0]}));
  std::vector<Buffer> came = open(pair, {outer[2]});
  for (int i = 0; i < 10'000'000 && came.empty(); ++i) came = open(pair, {});
  EXPECT_EQ(came, twice_aged({packets[2]}));
  EXPECT_THAT(open(pair, {outer[1]}), IsEmpty());
  EXPECT_EQ(pair.right.dropped(Drop::kAggfragLate), 1u);
  expect_each_is_counted(pair.right, 2);
}

// RFC 4301 §5.2: as any packet that an SA brings.
TEST(Rfc9347_2_2, EachPacketInsideIsCheckedAgainstTheSelectors) {
  Pair pair(joining());
  const char* elsewhere = "198.18.2.10";
  // The left gateway is one that does not do it.
  ASSERT_TRUE(pair.left.registry().add_policy({.id = PolicyId{1},
                                               .name = "p",
                                               .order = 10,
                                               .action = Action::kProtect,
                                               .selectors = selectors("198.18.0.0/16", "198.18.2.0/24")}));
  ASSERT_TRUE(pair.left.registry().commit());
  const std::vector<Buffer> packets{inner(100), udp4("198.18.3.10", elsewhere, 50), inner(104)};
  const auto outer = seal(pair, packets);
  ASSERT_THAT(outer, SizeIs(1));
  EXPECT_EQ(open(pair, outer), twice_aged({packets[0], packets[2]}));
  EXPECT_EQ(pair.right.dropped(Drop::kSelectorMismatch), 1u);
  EXPECT_EQ(pair.right.registry().counters(SaId{1})->selector_mismatch, 1u);
}

// The outer header tells nothing of the packets inside.
TEST(Rfc9347_2_2_5, NoDscpAndNoEcnOfAPacketIsCopied) {
  Pair pair(joining());
  const auto outer = seal(pair, {inner(100, 0xb9)});
  ASSERT_THAT(outer, SizeIs(1));
  EXPECT_EQ(outer[0][1], 0u);
}

TEST(Rfc9347_2_2, PacketsWhoseTtlEndsHereAreRefused) {
  Pair pair(joining());
  pair.left.pass(udp4("198.18.1.10", "198.18.2.10", 40, 0, 1), Origin::kProtected, kLan);
  EXPECT_EQ(pair.left.dropped(Drop::kTtlExpired), 1u);
}

TEST(Rfc9347_6_1_4, APeerThatTakesNoPartsGetsWholePackets) {
  Pair pair(joining({.whole = true}));
  const unsigned most = (1500 - kOverhead) / 4 * 4 - 2 - 4;
  const std::vector<Buffer> packets{with_df(inner(most)), with_df(inner(most)), inner(60)};
  const auto outer = seal(pair, packets);
  EXPECT_THAT(outer, SizeIs(3));
  EXPECT_EQ(open(pair, outer), twice_aged(packets));
  EXPECT_EQ(told(pair.left.pass(with_df(inner(most + 1)), Origin::kProtected, kLan)),
            (std::vector<Told>{{"198.18.1.1", "198.18.1.10", 3, 4, most}}));
  EXPECT_EQ(pair.left.dropped(Drop::kTooBig), 1u);
  EXPECT_EQ(joined(pair.right.pass(seal(pair, {inner(1500)}), Origin::kUnprotected, kWan)),
            aged(inner(1500), 2))
      << "one that may be fragmented is, inside";
}

// ---- at a rate ----

AggfragOptions at_rate(std::uint32_t rate, bool padding = true) {
  return {.packet = 500, .rate = rate, .padding = padding};
}

// What leaves until there is so much, or for long.
std::vector<Buffer> collect(Lab& lab, std::size_t packets, int turns = 50'000'000) {
  std::vector<Buffer> out;
  for (int i = 0; i < turns && out.size() < packets; ++i)
    for (Buffer& frame : lab.pass(std::vector<Buffer>{}, Origin::kProtected, kLan))
      out.push_back(ip_of(frame));
  return out;
}

TEST(Rfc9347_2_4_1, AtARateAllPacketsAreOfOneSizeWhetherThereIsTrafficOrNot) {
  Pair pair(joining(at_rate(5000)));
  const auto idle = collect(pair.left, 5);
  ASSERT_GE(idle.size(), 5u);
  EXPECT_THAT(open(pair, idle), IsEmpty());
  std::vector<Buffer> packets, busy;
  for (unsigned i = 0; i < 20; ++i) packets.push_back(inner(60 + 10 * i));
  busy = seal(pair, packets);
  const auto more = collect(pair.left, 20);
  busy.insert(busy.end(), more.begin(), more.end());
  for (const std::vector<Buffer>* all : {&std::as_const(idle), &std::as_const(busy)})
    for (const Buffer& p : *all) EXPECT_EQ(p.size(), idle[0].size());
  EXPECT_LE(idle[0].size(), 500u);
  EXPECT_GT(idle[0].size(), 490u);
  std::vector<Buffer> came;
  for (std::size_t at = 0; at < busy.size(); at += 16) {
    const auto some =
        open(pair, {busy.begin() + static_cast<std::ptrdiff_t>(at),
                    busy.begin() + static_cast<std::ptrdiff_t>(std::min(at + 16, busy.size()))});
    came.insert(came.end(), some.begin(), some.end());
  }
  EXPECT_EQ(came, twice_aged(packets));
  expect_each_is_counted(pair.left, idle.size() + busy.size());
  expect_each_is_counted(pair.right, came.size());
}

TEST(Rfc9347_2_4_1, PaddingAloneIsNoHitAndKeepsNoSaBusy) {
  using namespace std::chrono_literals;
  Pair pair(joining(at_rate(5000)));
  Registry::Now now{100s};
  const auto tick = [&] {
    now += 1s;
    for (Lab* lab : {&pair.left, &pair.right}) lab->registry().tick(now);
  };
  const auto idle = [&](Lab& lab) { return lab.registry().counters(SaId{1})->idle; };
  const auto hits = [](Lab& lab) { return lab.registry().hits().entries.at(PolicyId{1}); };
  tick();
  const auto pass = [&](const std::vector<Buffer>& packets) {
    auto outer = seal(pair, packets);
    const auto more = collect(pair.left, 1);
    outer.insert(outer.end(), more.begin(), more.end());
    std::size_t came = 0;
    for (const Buffer& p : outer) came += open(pair, {p}).size();
    tick();
    return came;
  };
  std::size_t came = 0;
  for (int i = 0; i < 10; ++i) came += pass({});
  EXPECT_EQ(came, 0u);
  EXPECT_GE(pair.left.registry().counters(SaId{1})->packets, 10u);
  EXPECT_GE(pair.right.registry().counters(SaId{1})->packets, 10u);
  for (Lab* lab : {&pair.left, &pair.right}) {
    EXPECT_EQ(hits(*lab), HitCounts{});
    EXPECT_GE(idle(*lab), 9s);
  }
  for (int i = 0; i < 100 && came == 0; ++i) came += pass({inner(60)});
  EXPECT_NE(came, 0u);
  EXPECT_GE(hits(pair.left).out, 1u) << "the control";
  EXPECT_GE(hits(pair.right).in, 1u);
  EXPECT_LE(idle(pair.left), 1s);
  EXPECT_LE(idle(pair.right), 1s);
}

TEST(Rfc9347_2_4_1, WithoutPaddingOnlyWhatIsThereLeavesAtItsTime) {
  Pair pair(joining(at_rate(1000, false)));
  EXPECT_THAT(collect(pair.left, 1, 2000), IsEmpty());
  const std::vector<Buffer> packets{inner(60), inner(800)};
  auto outer = seal(pair, packets);
  EXPECT_LE(outer.size(), 1u);
  const auto more = collect(pair.left, 2 - outer.size());
  outer.insert(outer.end(), more.begin(), more.end());
  EXPECT_THAT(collect(pair.left, 1, 2000), IsEmpty());
  EXPECT_EQ(open(pair, outer), twice_aged(packets));
}

TEST(Rfc9347_2_4_1, NothingLeavesWhileTheGatewayIsOff) {
  Pair pair(joining(at_rate(5000)));
  ASSERT_THAT(collect(pair.left, 1), SizeIs(Ge(1u)));
  pair.left.registry().set_gateway(false);
  ASSERT_TRUE(pair.left.registry().commit());
  const std::uint64_t until = rte_rdtsc() + rte_get_tsc_hz() / 100;  // fifty would be due
  std::vector<Buffer> out;
  while (rte_rdtsc() < until)
    for (const Buffer& b : pair.left.pass(inner(60), Origin::kProtected, kLan)) out.push_back(b);
  EXPECT_THAT(out, IsEmpty());
  pair.left.registry().set_gateway(true);
  ASSERT_TRUE(pair.left.registry().commit());
  EXPECT_THAT(collect(pair.left, 1), SizeIs(Ge(1u)));
}

TEST(Rfc9347_2_4_1, WhatWaitsForItsTimeHasItsPartOfTheBuffersAlone) {
  Pair pair(joining(at_rate(1, false)));
  SaOptions other = pair.options;
  other.id = 2, other.spi = Spi{0x2002};
  other.selectors = selectors("198.18.1.0/24", "203.0.113.0/24");
  auto second = std::make_shared<SaSpec>(*make_sa(Direction::kOut, other));
  second->policy = PolicyId{2};
  pair.left.protect(other.selectors, Action::kProtect, 2, 20);
  ASSERT_TRUE(pair.left.registry().add_sa(second));
  std::size_t left = 0;
  for (int i = 0; i < 200; ++i) {
    left += pair.left.pass(inner(60), Origin::kProtected, kLan).size();
    left += pair.left.pass(udp4("198.18.1.10", "203.0.113.9"), Origin::kProtected, kLan).size();
  }
  const unsigned most = Shared::get().buffers->size / Aggfrag::kPartOut;
  EXPECT_LE(pair.left.worker().counters().waiting, most);
  EXPECT_GE(pair.left.dropped(Drop::kAggfragQueueFull), 400u - most - 4);
  // And all of it comes back with the SAs.
  pair.left.registry().remove_sa(SaId{1});
  pair.left.registry().remove_sa(SaId{2});
  pair.left.pass(std::vector<Buffer>{}, Origin::kProtected, kLan);
  EXPECT_EQ(pair.left.worker().counters().waiting, 0u);
  expect_each_is_counted(pair.left, left);
}

// ---- SAs come and go ----

TEST(Aggfrag, AnSaThatGoesWithAHoleOpenLeavesNothingBehind) {
  Pair pair(joining({.wait = std::chrono::seconds(1)}));
  std::vector<Buffer> outer;
  for (unsigned i = 0; i < 3; ++i) outer.push_back(pair.seal(inner(100 + i)));
  open(pair, {outer[0]});
  open(pair, {outer[2]});
  ASSERT_EQ(pair.right.worker().counters().waiting, 1u);
  const std::size_t retired = pair.right.registry().retired();
  pair.right.registry().remove_sa(SaId{1});
  EXPECT_EQ(pair.right.registry().retired(), retired + 1);
  for (int i = 0; i < 4; ++i) {
    pair.right.registry().collect();
    open(pair, {});
  }
  EXPECT_EQ(pair.right.registry().retired(), 0u);
  EXPECT_EQ(pair.right.worker().counters().waiting, 0u);
  EXPECT_EQ(pair.right.dropped(Drop::kAggfragLost), 1u);
  expect_each_is_counted(pair.right, 1);
}

// One worker by hand: its turns are this test's. Worker 1, if there is one, owns nothing.
struct Owner {
  explicit Owner(unsigned n = 1) : workers(n), quiescence(n) {
    for (unsigned i = 0; i < workers; ++i) quiescence.online(i);
  }
  ~Owner() {
    for (unsigned i = 0; i < workers; ++i) quiescence.offline(i);
  }
  void add(Direction direction, AggfragOptions options) {
    SaOptions o = joining(options);
    o.id = direction == Direction::kOut ? 1 : 2;
    o.selectors = selectors(kMixes[0].local, kMixes[0].remote);
    ASSERT_TRUE(registry.add_sa(make_sa(direction, o)));
  }
  OutboundSa& sa() { return *(*registry.tables().read()->outbound)[0].sa.read(); }
  void take_news() { aggfrag.take_news(registry.tables().read()->aggfrag[0]); }
  void end_turn(unsigned worker = 0) {
    quiescence.report(worker);
    registry.collect();
  }

  const unsigned workers;
  Quiescence quiescence;
  Registry registry{
      *Shared::get().crypto,
      quiescence,
      1,
      {{Mac{2, 0, 0, 0, 0, 1}, Side::kProtected, 1500}, {Mac{2, 0, 0, 0, 0, 2}, Side::kUnprotected, 1500}}};
  WorkerCounters counters;
  Aggfrag aggfrag{Shared::get().buffers, 1, rte_get_tsc_hz(), counters};
};

// The first grace period of a removal may end with a turn that began before it: what waits is the owner's
// until it knows.
TEST(Aggfrag, AnSaWhoseOwnerLearnsLateThatItIsGoneIsThereUntilThen) {
  Owner owner;
  owner.add(Direction::kOut, at_rate(1, false));
  owner.take_news();
  PacketInfo packet{.m = Lab::mbuf(inner(100), kLan)};
  ASSERT_EQ(parse_ip(packet.m, 0, packet.headers), Drop::kNone);
  const unsigned in_use = rte_mempool_in_use_count(Shared::get().buffers);
  owner.aggfrag.send(packet, owner.sa());
  ASSERT_EQ(owner.aggfrag.waiting(), 1u);
  owner.registry.remove_sa(SaId{1});
  owner.end_turn();
  EXPECT_EQ(rte_mempool_in_use_count(Shared::get().buffers), in_use);
  EXPECT_FALSE(owner.aggfrag.idle());
  owner.take_news();
  EXPECT_EQ(owner.aggfrag.waiting(), 0u);
  EXPECT_TRUE(owner.aggfrag.idle());
  EXPECT_EQ(rte_mempool_in_use_count(Shared::get().buffers), in_use - 1);
  EXPECT_EQ(owner.counters.dropped[static_cast<std::size_t>(Drop::kNoSa)], 1u);
  for (int i = 0; i < 5; ++i) owner.end_turn();
  EXPECT_EQ(owner.registry.retired(), 0u);
}

// Another worker may be about to wake an SA when it goes, and does so when its owner has let go of it.
TEST(Aggfrag, AnSaThatIsWokenWhenItIsGoneIsLeftAlone) {
  Owner owner;
  owner.add(Direction::kOut, {.congestion = true});
  owner.take_news();
  EXPECT_FALSE(owner.aggfrag.idle()) << "it looks for what there is to report";
  AggfragState* const state = owner.sa().aggfrag;
  owner.registry.remove_sa(SaId{1});
  owner.end_turn();
  owner.take_news();
  EXPECT_TRUE(owner.aggfrag.idle());
  owner.end_turn();
  state->wake();
  owner.end_turn();
  owner.take_news();
  EXPECT_TRUE(owner.aggfrag.idle());
  EXPECT_EQ(owner.registry.retired(), 1u);
  for (int i = 0; i < 2; ++i) owner.end_turn();
  EXPECT_EQ(owner.registry.retired(), 0u);
}

// The latest that the notice can come: worker 1 found the SA after its report for the second period, and puts
// the notice before its report for the third, when the owner's turn has begun already.
TEST(Aggfrag, AnSaIsThereUntilItsOwnerHasTakenTheLastNotice) {
  Owner owner(2);
  owner.add(Direction::kOut, {.congestion = true});
  owner.take_news();
  AggfragState* const state = owner.sa().aggfrag;
  owner.registry.remove_sa(SaId{1});
  owner.end_turn(1), owner.end_turn();  // 1
  owner.end_turn(1);
  owner.take_news();  // the departure
  EXPECT_TRUE(owner.aggfrag.idle());
  owner.end_turn();  // 2
  owner.end_turn();
  owner.take_news();  // nothing yet
  state->wake();
  owner.end_turn(1);                    // 3
  owner.end_turn(), owner.end_turn(1);  // 4
  ASSERT_EQ(owner.registry.retired(), 1u);
  owner.take_news();
  EXPECT_TRUE(owner.aggfrag.idle());
  owner.end_turn(), owner.end_turn(1);  // 5
  EXPECT_EQ(owner.registry.retired(), 0u);
}

// A gateway of two SAs, whose peer is a Lab too.
struct Ways {
  Ways() {
    for (const bool forth : {true, false}) {
      Lab &from = forth ? left : right, &to = forth ? right : left;
      SaOptions o = joining({.congestion = true});
      o.spi = forth ? Spi{0x1001} : Spi{0x2002};
      o.id = forth ? 1 : 2;
      const char *mine = forth ? kMixes[0].local : kMixes[0].remote,
                 *theirs = forth ? kMixes[0].remote : kMixes[0].local;
      if (!forth) std::swap(o.from, o.to);
      from.protect(selectors(mine, theirs));
      o.selectors = selectors(mine, theirs);
      EXPECT_TRUE(from.registry().add_sa(make_sa(Direction::kOut, o)));
      o.selectors = selectors(theirs, mine);
      EXPECT_TRUE(to.registry().add_sa(make_sa(Direction::kIn, o)));
    }
  }
  // What the right one sends back for a packet from the left one, beside the packet itself.
  std::vector<Buffer> reports(unsigned octets) {
    const auto outer = ips(left.pass(inner(octets), Origin::kProtected, kLan));
    auto out = ips(right.pass(outer, Origin::kUnprotected, kWan));
    std::erase(out, aged(inner(octets), 2));
    return out;
  }
  bool sleeps() { return right.worker().next_due() > rte_rdtsc() + rte_get_tsc_hz() / 2; }
  Lab left{0, true}, right{1, false};
};

TEST(Rfc9347_2_4_2, WhoHasNothingToReportSleepsAndTheFirstPayloadWakesIt) {
  Ways ways;
  for (unsigned round = 0; round < 3; ++round) {
    for (std::uint64_t turns = 0; turns < 2'000'000'000 && !ways.sleeps(); ++turns)
      ways.right.pass(std::vector<Buffer>{}, Origin::kProtected, kLan);
    ASSERT_TRUE(ways.sleeps()) << round;
    auto out = ways.reports(100 + round);
    EXPECT_FALSE(ways.sleeps());
    // At once, or where the machine was busy meanwhile, in one of the next turns.
    for (std::uint64_t turns = 0; turns < 2'000'000'000 && out.empty() && !ways.sleeps(); ++turns)
      out = ips(ways.right.pass(std::vector<Buffer>{}, Origin::kProtected, kLan));
    ASSERT_THAT(out, SizeIs(1));
    EXPECT_EQ(load_be32(out[0].data() + 20), 0x2002u);
    ways.left.pass(out, Origin::kUnprotected, kWan);
    EXPECT_EQ(ways.left.registry().counters(SaId{2})->packets, round + 1);
    EXPECT_EQ(ways.left.registry().hits().entries.at(PolicyId{1}).in, 0u) << "it is no traffic";
  }
}

// What waits when an SA is replaced leaves by the new one; of a packet of which a part has left, the rest by
// the old one. The old one sends no padding any more.
TEST(Aggfrag, WhatWaitsForItsTimeGoesByTheSuccessor) {
  Pair pair(joining(at_rate(20)));
  const std::vector<Buffer> packets{inner(700), inner(60), inner(61)};
  ASSERT_THAT(seal(pair, packets), IsEmpty());
  auto outer = collect(pair.left, 1);
  ASSERT_THAT(outer, SizeIs(1));
  SaOptions next = pair.options;
  next.id = 2, next.spi = Spi{0x2002}, next.aggfrag = at_rate(1000);
  next.aggfrag.on = true;
  next.selectors = selectors(kMixes[0].local, kMixes[0].remote);
  ASSERT_TRUE(pair.left.registry().add_sa(make_sa(Direction::kOut, next)));
  next.selectors = selectors(kMixes[0].remote, kMixes[0].local);
  ASSERT_TRUE(pair.right.registry().add_sa(make_sa(Direction::kIn, next)));
  std::vector<Buffer> came = open(pair, outer);
  unsigned of_old = 0;
  for (int i = 0; i < 20'000'000 && came.size() < packets.size(); ++i)
    for (const Buffer& p : ips(pair.left.pass(std::vector<Buffer>{}, Origin::kProtected, kLan))) {
      of_old += load_be32(p.data() + 20) == 0x1001;
      for (const Buffer& b : open(pair, {p})) came.push_back(b);
    }
  EXPECT_EQ(came, twice_aged(packets));
  EXPECT_EQ(of_old, 1u) << "the rest of the first packet";
  const auto later = collect(pair.left, 60);
  ASSERT_THAT(later, SizeIs(Ge(60u)));
  for (const Buffer& p : later) EXPECT_EQ(load_be32(p.data() + 20), 0x2002u);
}

TEST(Aggfrag, APlainSaBesideItIsAsEver) {
  Pair pair(joining());
  SaOptions plain;
  plain.id = 2, plain.spi = Spi{0x2002}, plain.from = pair.options.from, plain.to = pair.options.to;
  plain.selectors = selectors(kMixes[0].local, kMixes[0].remote);
  ASSERT_TRUE(pair.left.registry().add_sa(make_sa(Direction::kOut, plain)));
  plain.selectors = selectors(kMixes[0].remote, kMixes[0].local);
  ASSERT_TRUE(pair.right.registry().add_sa(make_sa(Direction::kIn, plain)));
  const std::vector<Buffer> packets{inner(100), inner(104)};
  const auto outer = seal(pair, packets);
  EXPECT_THAT(outer, SizeIs(2));
  EXPECT_EQ(open(pair, outer), twice_aged(packets));
}

}  // namespace
}  // namespace simplon::dp::test

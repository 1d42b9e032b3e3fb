// SPDX-License-Identifier: Apache-2.0
// Sequence leases (dp/base/lease.h) as a packet meets them. After each turn the process might have died: what
// is in the leases then, and what had left until then, is compared with what one sends that goes on.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "dp/sa/lease.h"
#include "tests/dp/lab.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

const char *const kHere = "198.18.1.0/24", *const kThere = "198.18.2.0/24";
constexpr SaId kFirst{1}, kSuccessor{2};

Buffer inner(unsigned payload = 40) { return udp4("198.18.1.10", "198.18.2.10", payload); }

// A gateway with one outbound SA, which has the first lease, and another's memory for the second.
struct Sender {
  std::array<SaLease, 2> leases;
  Lab lab{0, true, {}, "", "", leases};
  SaOptions options;

  explicit Sender(SaOptions o, const SaStart& start = {.lease = 0}) : options(std::move(o)) {
    const bool transport = options.mode == SaMode::kTransport;
    if (transport) {
      options.from = *IpAddress::parse("198.18.1.10"), options.to = *IpAddress::parse("198.18.2.10");
      lab.network().routes.push_back({*Prefix::parse(kThere), *IpAddress::parse("198.51.100.254"), kWan});
      lab.publish_network();
    }
    options.selectors = transport ? selectors("198.18.1.10", "198.18.2.10") : selectors(kHere, kThere);
    lab.protect(options.selectors, Action::kProtect, 1, 10, options.mode);
    add(kFirst, start);
  }
  void add(SaId id, const SaStart& start) {
    options.id = static_cast<std::uint64_t>(id);
    const auto done = lab.registry().add_sa(make_sa(Direction::kOut, options), start);
    EXPECT_TRUE(done) << (done ? "" : done.error().what);
  }
  OutboundSa& sa() { return *slot().sa.read(); }
  const OutboundSlot& slot() { return (*lab.registry().tables().read()->outbound)[0]; }
  std::uint64_t ceiling(std::size_t lease = 0) const { return leases[lease].ceiling; }

  // The sequence numbers of what left. With ESN the high half does not travel: it is that of the SA's last.
  std::vector<std::uint64_t> numbers(const std::vector<Buffer>& frames) {
    const std::uint64_t last = sa().next_seq - 1;
    std::vector<std::uint64_t> out;
    for (const Buffer& frame : frames) {
      const Buffer ip = ip_of(frame);
      if ((load_be16(ip.data() + 6) & 0x1fff) != 0) continue;  // a later fragment
      const bool ah = options.protocol == IpsecProtocol::kAh;
      const std::uint32_t low = load_be32(ip.data() + 20 + (ah ? 8 : 4) + (options.udp ? 8 : 0));
      const std::uint64_t high = (last >> 32) - (low > static_cast<std::uint32_t>(last) ? 1 : 0);
      out.push_back(options.esn == Esn::kOn ? high << 32 | low : low);
    }
    return out;
  }
  std::vector<std::uint64_t> send(unsigned count, unsigned payload = 40) {
    return numbers(lab.pass(std::vector<Buffer>(count, inner(payload)), Origin::kProtected, kLan));
  }
  std::vector<std::uint64_t> send_dummy() {
    rte_mbuf* m = rte_pktmbuf_alloc(Shared::get().buffers);
    m->hash.usr = static_cast<std::uint32_t>(Origin::kDummy);
    set_bundle_slot(m, slot());
    return numbers(lab.hand(m));
  }
  // As if it had sent so many that `left` can be used before its ceiling.
  void come_near(std::uint64_t left) { sa().next_seq = ceiling() - left; }
  void remove(SaId id) {
    lab.registry().remove_sa(id);
    lab.pass(std::vector<Buffer>{}, Origin::kProtected, kLan);
    lab.registry().collect();
  }
};

struct Way {
  std::string name;
  SaOptions options;
};
void PrintTo(const Way& way, std::ostream* to) { *to << way.name; }

// Each kind of SA, with and without ESN.
std::vector<Way> ways() {
  const TunnelOptions padded{.tfc = kTfcMtu, .dummies = 1}, dressed{.ecn = EcnMode::kCompatibility};
  std::vector<SaOptions> all;
  for (const char* name : {"aes128gcm16", "aes128gcm16iiv", "aes128-sha256", "3des-sha1", "null-sha256"}) {
    const EspSuite suite = *find_suite(name);
    all.push_back({.suite = suite});
    all.push_back({.suite = suite, .udp = UdpPorts{Port{4500}, Port{4500}}, .tunnel = padded});
    all.push_back({.suite = suite, .mode = SaMode::kTransport});
    all.push_back({.suite = suite, .aggfrag = {.on = true}});
  }
  for (const char* name : {"sha256", "aes128gmac"}) {
    const EspSuite suite = *find_ah_suite(name);
    all.push_back({.suite = suite, .protocol = IpsecProtocol::kAh});
    all.push_back({.suite = suite, .tunnel = dressed, .protocol = IpsecProtocol::kAh});
    all.push_back({.suite = suite, .protocol = IpsecProtocol::kAh, .mode = SaMode::kTransport});
  }
  std::vector<Way> out;
  for (SaOptions& options : all)
    for (const Esn esn : {Esn::kOff, Esn::kOn}) {
      options.esn = esn;
      const auto kind = static_cast<unsigned>(sa_kind(*make_sa(Direction::kOut, options)));
      out.push_back({"kind " + std::to_string(kind) + (esn == Esn::kOn ? " with ESN " : " ") +
                         suite_name(options.suite, options.protocol),
                     options});
    }
  return out;
}

class EveryKind : public testing::TestWithParam<Way> {};

TEST(SequenceLease, IsTestedForEveryKindOfSa) {
  std::set<SaKind> kinds;
  for (const Way& way : ways()) kinds.insert(sa_kind(*make_sa(Direction::kOut, way.options)));
  EXPECT_EQ(kinds.size(), static_cast<unsigned>(SaKind::kAhTunnelDressedCounter) + 1u);
}

// Who goes on has the leases as they are after some turn, and nothing else.
void expect_that_a_successor_repeats_none(Sender& sender, const std::set<std::uint64_t>& used) {
  sender.leases[1].ceiling = sender.ceiling();
  const std::uint64_t from = sender.ceiling();
  sender.add(kSuccessor, {.lease = 1});
  const auto numbers = sender.send(2);
  EXPECT_FALSE(numbers.empty());
  for (const std::uint64_t n : numbers) {
    EXPECT_GE(n, from);
    EXPECT_FALSE(used.contains(n)) << n << " is used twice";
    EXPECT_LT(n, sender.ceiling(1));
  }
  sender.remove(kSuccessor);
}

void die_after_every_turn(Sender& sender) {
  std::mt19937 random(7);
  std::set<std::uint64_t> used;
  for (int crossing = 0; crossing < 3; ++crossing) {
    sender.come_near(3 + crossing);  // each turn takes one at least
    const std::uint64_t before = sender.ceiling();
    EXPECT_EQ(before, sender.sa().ceiling);
    for (int turn = 0; turn < 8; ++turn) {
      // In bursts of some; one that the path does not take whole; a dummy where there are any.
      auto numbers = turn == 5 ? sender.send(1, 1472) : sender.send(1 + random() % 5, random() % 600);
      EXPECT_FALSE(numbers.empty());
      if (turn % 3 == 0 && sender.options.tunnel.dummies != 0)
        for (const std::uint64_t n : sender.send_dummy()) numbers.push_back(n);
      for (const std::uint64_t n : numbers) {
        EXPECT_LT(n, sender.ceiling()) << "was used before the lease had it";
        EXPECT_TRUE(used.insert(n).second) << n << " is used twice";
      }
      expect_that_a_successor_repeats_none(sender, used);
    }
    EXPECT_EQ(sender.ceiling(), before + kLeaseStep) << "it was raised once, by a step";
  }
}

TEST_P(EveryKind, WhoGoesOnAtTheCeilingUsesNoNumberAgainWhateverTurnWasTheLast) {
  Sender sender(GetParam().options);
  EXPECT_EQ(sender.ceiling(), 1 + kLeaseStep) << "before the first packet";
  die_after_every_turn(sender);
}

TEST_P(EveryKind, TheLastNumberIsTheLastThoughALeaseWouldReachFurther) {
  const bool esn = GetParam().options.esn == Esn::kOn;
  const std::uint64_t last = last_sequence(esn);
  Sender sender(GetParam().options, {.next_sequence = last - 3, .lease = 0});
  EXPECT_EQ(sender.ceiling(), last + 1);
  std::set<std::uint64_t> used;
  for (int i = 0; i < 8; ++i)
    for (const std::uint64_t n : sender.send(1)) EXPECT_TRUE(used.insert(n).second);
  EXPECT_EQ(used, (std::set{last - 3, last - 2, last - 1, last}));
  EXPECT_EQ(sender.ceiling(), last + 1);
  EXPECT_GT(sender.lab.dropped(esn ? Drop::kLifetimeExpired : Drop::kSequenceExhausted), 0u);
  // Who goes on has no number left.
  sender.leases[1].ceiling = sender.ceiling();
  sender.add(kSuccessor, {.lease = 1});
  EXPECT_TRUE(sender.send(2).empty());
}

INSTANTIATE_TEST_SUITE_P(Sas, EveryKind, testing::ValuesIn(ways()));

TEST(SequenceLease, HoldsAcrossTheEdgeOfTheLowHalf) {
  for (const char* name : {"aes128gcm16", "aes128-sha256"}) {
    constexpr std::uint64_t kEdge = std::uint64_t{1} << 32;
    Sender sender({.suite = *find_suite(name), .esn = Esn::kOn},
                  {.next_sequence = kEdge - 11 - 2 * kLeaseStep, .lease = 0});
    die_after_every_turn(sender);
    EXPECT_GT(sender.sa().next_seq, kEdge);
  }
}

// The former owner was stopped, not killed, and goes on as well: each number is still used by one of them.
TEST(SequenceLease, AnSaThatAnotherGoesOnWithEndsAtItsOldCeiling) {
  for (const Esn esn : {Esn::kOff, Esn::kOn}) {
    Sender sender({.esn = esn});
    Lab other(1, true, {}, "", "", sender.leases);
    other.protect(selectors(kHere, kThere));
    sender.come_near(10);
    std::set<std::uint64_t> used;
    const auto note = [&](const std::vector<std::uint64_t>& numbers) {
      for (const std::uint64_t n : numbers) EXPECT_TRUE(used.insert(n).second) << n << " is used twice";
    };
    note(sender.send(4));
    ASSERT_TRUE(other.registry().add_sa(make_sa(Direction::kOut, sender.options), {.lease = 0}));
    for (int i = 0; i < 4; ++i) {
      note(sender.numbers(other.pass(inner(), Origin::kProtected, kLan)));
      note(sender.send(3));
    }
    EXPECT_EQ(used.size(), 4 + 4 + 6u) << "six were left";
    EXPECT_EQ(sender.lab.dropped(Drop::kLifetimeExpired), 6u);
    const auto events = sender.lab.events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, WorkerEvent::Kind::kHard);
    const std::uint64_t ceiling = sender.ceiling();
    sender.remove(kFirst);
    EXPECT_EQ(sender.ceiling(), ceiling) << "it is not the former owner's to be freed";
  }
}

TEST(SequenceLease, WithoutOneNothingIsWrittenAndNothingIsDifferent) {
  Sender sender({}, {});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(sender.send(1), std::vector<std::uint64_t>{i + 1u});
  EXPECT_EQ(sender.sa().check_at_packets, kSoftSequence);
  EXPECT_EQ(sender.ceiling() + sender.ceiling(1), 0u);
}

// What the configuration allows an SA is packets, not numbers that were given up.
TEST(SequenceLease, NumbersThatWereGivenUpAreNoPackets) {
  SaOptions options;
  options.soft.packets = PacketCount{6}, options.hard.packets = PacketCount{10};
  Sender sender(options, {.next_sequence = 70'000, .lease = 0, .packets = 3, .bytes = 1000});
  EXPECT_EQ(sender.lab.registry().counters(kFirst)->packets, 3u);
  EXPECT_EQ(sender.send(3), (std::vector<std::uint64_t>{70'000, 70'001, 70'002}));
  EXPECT_TRUE(sender.lab.events().empty());
  EXPECT_EQ(sender.send(20).size(), 4u);
  const auto events = sender.lab.events();
  ASSERT_GE(events.size(), 2u);
  EXPECT_EQ(events[0].kind, WorkerEvent::Kind::kSoft);
  EXPECT_EQ(events[1].kind, WorkerEvent::Kind::kHard);
  const SaCounters counters = *sender.lab.registry().counters(kFirst);
  EXPECT_EQ(counters.packets, 10u);
  EXPECT_EQ(counters.sequence, 70'006u);
  EXPECT_EQ(counters.bytes, 1000 + 7 * inner().size());
}

// ESP in AH: both SAs of a bundle take a number for each packet.
TEST(Rfc4301_4_5, BothSasOfABundleKeepToTheirLeases) {
  std::array<SaLease, 2> leases;
  Lab lab(0, true, {}, "", "", leases);
  const PolicyId inside{1}, outside{2};
  const Selectors gateways = selectors("198.51.100.1[50]", "198.51.100.2[50]"),
                  sites = selectors(kHere, kThere);
  ASSERT_TRUE(lab.registry().add_policy({.id = inside,
                                         .name = "in",
                                         .order = 10,
                                         .action = Action::kProtect,
                                         .selectors = sites,
                                         .over = outside}));
  ASSERT_TRUE(lab.registry().add_policy({.id = outside,
                                         .name = "out",
                                         .order = 20,
                                         .action = Action::kProtect,
                                         .selectors = gateways,
                                         .protocol = IpsecProtocol::kAh,
                                         .mode = SaMode::kTransport}));
  ASSERT_TRUE(lab.registry().commit());
  auto esp = std::make_shared<SaSpec>(*make_sa(Direction::kOut, {.selectors = sites}));
  esp->over = outside;
  auto ah = std::make_shared<SaSpec>(*make_sa(Direction::kOut, {.suite = *find_ah_suite("sha256"),
                                                                .spi = Spi{0x2001},
                                                                .selectors = gateways,
                                                                .id = 2,
                                                                .protocol = IpsecProtocol::kAh,
                                                                .mode = SaMode::kTransport}));
  ah->policy = outside;
  ASSERT_TRUE(lab.registry().add_sa(ah, {.next_sequence = 500, .lease = 1}));
  ASSERT_TRUE(lab.registry().add_sa(esp, {.lease = 0}));
  lab.registry().tick(std::chrono::steady_clock::time_point{} + std::chrono::seconds(5));
  const auto sa = [&](std::uint32_t policy) -> OutboundSa& {
    const OutboundSlots& slots = *lab.registry().tables().read()->outbound;
    return *(slots[0].policy == PolicyId{policy} ? slots[0] : slots[1]).sa.read();
  };
  for (OutboundSa* one : {&sa(1), &sa(2)}) one->next_seq = one->ceiling - 5;
  std::uint64_t raised[2] = {};
  for (int i = 0; i < 12; ++i) {
    const std::uint64_t before[] = {leases[0].ceiling, leases[1].ceiling};
    const auto frames = lab.pass(inner(), Origin::kProtected, kLan);
    ASSERT_EQ(frames.size(), 1u);
    const Buffer ip = ip_of(frames[0]);
    const unsigned payload = 20 + (ip[21] + 2u) * 4;
    EXPECT_LT(load_be32(ip.data() + 28), leases[1].ceiling) << "AH";
    EXPECT_LT(load_be32(ip.data() + payload + 4), leases[0].ceiling) << "ESP";
    for (int n : {0, 1}) raised[n] += leases[n].ceiling != before[n];
  }
  EXPECT_EQ(raised[0], 1u);
  EXPECT_EQ(raised[1], 1u);
}

}  // namespace
}  // namespace simplon::dp::test

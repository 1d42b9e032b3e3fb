// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/registry.h"

#include <gtest/gtest.h>

#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

// The control side alone; `worker(n)` stands for a worker's turn.
class Control {
 public:
  explicit Control(unsigned workers = 1)
      : quiescence(workers),
        registry(*Shared::get().crypto, quiescence, workers,
                 {{Mac{2, 0, 0, 0, 0, 1}, Side::kProtected, 1500},
                  {Mac{2, 0, 0, 0, 0, 2}, Side::kUnprotected, 1400}}),
        workers_(workers) {
    for (unsigned i = 0; i < workers; ++i) quiescence.online(i);
  }
  ~Control() {
    for (unsigned i = 0; i < workers_; ++i) quiescence.offline(i);
  }
  SaRef sa(Direction direction, std::uint64_t id, std::uint32_t policy = 1) {
    SaOptions o;
    o.id = id;
    o.spi = Spi{static_cast<std::uint32_t>(0x1000 + id)};
    o.selectors = selectors("198.18.1.0/24", "198.18.2.0/24");
    SaSpec spec = *make_sa(direction, o);
    spec.policy = PolicyId{policy};
    return std::make_shared<const SaSpec>(std::move(spec));
  }
  PolicySpec policy(std::uint32_t id) {
    return {.id = PolicyId{id},
            .order = id,
            .action = Action::kProtect,
            .selectors = selectors("198.18.1.0/24", "198.18.2.0/24")};
  }
  const Tables& tables() { return *registry.tables().read(); }
  OutboundSlot& slot() {
    const Decision d = decide(tables(), {.source = *IpAddress::parse("198.18.1.1"),
                                         .destination = *IpAddress::parse("198.18.2.1"),
                                         .protocol = kTcp,
                                         .origin = Origin::kProtected,
                                         .port = kLan});
    EXPECT_EQ(d.kind, Decision::Kind::kProtect);
    return (*tables().outbound)[d.index];
  }
  void turn(unsigned worker = 0) { quiescence.report(worker); }

  Quiescence quiescence;
  Registry registry;

 private:
  unsigned workers_;
};

// Outbound, to this port of a NAT; 0: without UDP.
SaRef to_port(std::uint64_t id, std::uint16_t port, SaMode mode = SaMode::kTransport) {
  SaOptions o;
  o.id = id;
  o.spi = Spi{static_cast<std::uint32_t>(0x1000 + id)};
  o.selectors = selectors("198.51.100.1/32", "198.51.100.2/32");
  o.mode = mode;
  if (port != 0) o.udp = UdpPorts{Port{4500}, Port{port}};
  return make_sa(Direction::kOut, o);
}

// RFC 3948 §5.2, by hand as by IKE.
TEST(Registry, BehindANatAnEntryHasOnePeerInTransportMode) {
  const std::vector<SaRef> others{to_port(1, 0), to_port(1, 0, SaMode::kTunnel), to_port(1, 4501),
                                  to_port(1, 4501, SaMode::kTunnel)};
  for (const SaRef& other : others) {
    Control c;
    ASSERT_TRUE(c.registry.add_sa(other));
    const auto beside = c.registry.add_sa(to_port(2, 4502));
    ASSERT_FALSE(beside);
    EXPECT_NE(beside.error().what.find("the peer at 198.51.100.2"), std::string::npos);
    EXPECT_EQ(beside.error().what.find("port 4501") != std::string::npos, other->udp.has_value());
    c.registry.remove_sa(SaId{1});
    EXPECT_TRUE(c.registry.add_sa(to_port(2, 4502))) << "it is free";
    EXPECT_TRUE(c.registry.add_sa(to_port(3, 4502))) << "of the same peer";
  }
}

TEST(Registry, BeforeTheFirstPolicyEverythingIsDropped) {
  Control c;
  EXPECT_EQ(c.tables().generation, 1u) << "caches hold 0";
  EXPECT_EQ(decide(c.tables(), {.source = *IpAddress::parse("198.18.1.10"),
                                .destination = *IpAddress::parse("203.0.113.9"),
                                .origin = Origin::kProtected}),
            Decision::drop(Drop::kNoPolicy));
}

TEST(Registry, GenerationFollowsPoliciesNetworkAndSwitchOnly) {
  Control c;
  std::uint32_t before = c.tables().generation;
  const auto changed = [&] {
    EXPECT_TRUE(c.registry.commit());
    return std::exchange(before, c.tables().generation) != c.tables().generation;
  };
  EXPECT_FALSE(changed());
  ASSERT_TRUE(c.registry.add_policy(c.policy(1)));
  EXPECT_TRUE(changed());
  c.registry.set_network({.addresses = {{*IpAddress::parse("198.18.1.254"), kLan}}});
  EXPECT_TRUE(changed());
  c.registry.set_gateway(false);
  EXPECT_TRUE(changed());
  ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kOut, 1)));
  ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kIn, 2)));
  EXPECT_FALSE(changed());
  c.registry.remove_sa(SaId{1});
  c.registry.remove_sa(SaId{2});
  EXPECT_FALSE(changed());
  c.registry.remove_policy(PolicyId{1});
  EXPECT_TRUE(changed());
}

// A new view voids every flow cache, and a new SPD is made of all policies.
TEST(Registry, WhatNoWorkerReadsMakesNoNewView) {
  Control c;
  PolicySpec policy = c.policy(1);
  const NetworkSpec network{.addresses = {{*IpAddress::parse("198.18.1.254"), kLan}}};
  c.registry.set_network(network);
  ASSERT_TRUE(c.registry.add_policy(policy) && c.registry.commit());
  const std::uint32_t generation = c.tables().generation;
  const Spd* spd = c.tables().spd.get();
  const auto expect_same = [&](const char* what) {
    EXPECT_TRUE(c.registry.commit());
    EXPECT_EQ(c.tables().generation, generation) << what;
    EXPECT_EQ(c.tables().spd.get(), spd) << what;
  };
  ASSERT_TRUE(c.registry.add_policy(policy));
  expect_same("the identical entry");
  policy.name = "renamed";
  policy.tunnel = TunnelEnds{*IpAddress::parse("198.51.100.1"), *IpAddress::parse("198.51.100.2")};
  policy.child = PolicyId{7};
  ASSERT_TRUE(c.registry.add_policy(policy));
  expect_same("name, tunnel, child");
  c.registry.set_network(network);
  expect_same("an equal network");
  c.registry.set_gateway(true);
  expect_same("the switch where it was");
  c.registry.remove_policy(PolicyId{99});
  expect_same("a policy that is not there");
}

TEST(Registry, EachMemberOfAPolicyThatAWorkerReadsMakesANewView) {
  Control c;
  const auto with = [&](auto change) {
    PolicySpec policy = c.policy(1);
    change(policy);
    const std::uint32_t before = c.tables().generation;
    EXPECT_TRUE(c.registry.add_policy(policy) && c.registry.commit());
    return c.tables().generation != before;
  };
  EXPECT_TRUE(with([](PolicySpec&) {}));
  EXPECT_TRUE(with([](PolicySpec& p) { p.order = 9; }));
  EXPECT_TRUE(with([](PolicySpec& p) { p.direction = PolicyDirection::kOut; }));
  EXPECT_TRUE(with([](PolicySpec& p) { p.action = Action::kDiscard; }));
  EXPECT_TRUE(with([](PolicySpec& p) { p.selectors = selectors("198.18.1.0/25", "198.18.2.0/24"); }));
}

TEST(Registry, IdleIsTheTimeSinceTheLastPacketWhoeverAsks) {
  using namespace std::chrono_literals;
  Control c;
  const Registry::Now start{100s};
  Registry::Now now = start;
  c.registry.tick(now);
  ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kIn, 1)));
  const auto idle = [&] { return c.registry.counters(SaId{1})->idle; };
  const auto pass = [&](std::chrono::milliseconds time) {
    for (const Registry::Now end = now + time; now < end;) c.registry.tick(now += 10ms);
  };
  pass(5s);
  EXPECT_EQ(idle(), 5s) << "since the installation";
  c.registry.inbound(SaId{1})->packets += 3;
  EXPECT_EQ(idle(), 0s);
  pass(20s);  // nobody asks
  EXPECT_GE(idle(), 19s);
  EXPECT_EQ(idle(), idle()) << "asking changes nothing";
  pass(10s);
  EXPECT_GE(idle(), 29s);
  EXPECT_LE(idle(), 30s);
}

TEST(Registry, IdleOfManySasIsRightToWithinASecond) {
  using namespace std::chrono_literals;
  Control c;
  Registry::Now now{100s};
  c.registry.tick(now);
  for (std::uint64_t id = 1; id <= 300; ++id) ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kIn, id)));
  for (const auto step : {10ms, 3ms, 700ms, 2500ms}) {
    for (std::uint64_t id = 1; id <= 300; ++id) c.registry.inbound(SaId{id})->packets += 1;
    const Registry::Now sent = now;
    while (now < sent + 5s) c.registry.tick(now += step);
    for (std::uint64_t id = 1; id <= 300; ++id) {
      const auto error = now - sent - c.registry.counters(SaId{id})->idle;
      EXPECT_GE(error, 0s);
      EXPECT_LE(error, 2s + step) << "SA " << id << ", looked at every " << step.count() << " ms";
    }
  }
}

TEST(Registry, TellsWhatItHolds) {
  Control c;
  const SaRef in = c.sa(Direction::kIn, 2), out = c.sa(Direction::kOut, 1);
  PolicySpec policy = c.policy(1);
  policy.name = "office/net";
  EXPECT_TRUE(c.registry.can(*in));
  EXPECT_TRUE(c.registry.sas().empty()) << "asking installs nothing";
  ASSERT_TRUE(c.registry.add_sa(in) && c.registry.add_sa(out) && c.registry.add_policy(policy));
  EXPECT_EQ(c.registry.sas(), (std::vector{out, in}));
  EXPECT_EQ(c.registry.policies(), std::vector{policy});
  policy.name = "renamed";
  ASSERT_TRUE(c.registry.add_policy(policy));
  EXPECT_EQ(c.registry.policies(), std::vector{policy}) << "also what no worker reads";
  c.registry.remove_sa(SaId{1});
  c.registry.remove_policy(PolicyId{1});
  EXPECT_EQ(c.registry.sas(), std::vector{in});
  EXPECT_TRUE(c.registry.policies().empty());
}

TEST(Registry, RekeyReplacesTheSaInItsSlotAndTheOldOneComesBackWhenTheNewGoes) {
  Control c;
  ASSERT_TRUE(c.registry.add_policy(c.policy(1)) && c.registry.commit());
  OutboundSlot& slot = c.slot();
  EXPECT_EQ(slot.sa.read(), nullptr);
  for (std::uint64_t id : {1, 2, 3}) {
    ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kOut, id)));
    EXPECT_EQ(slot.sa.read()->id, SaId{id});
  }
  c.registry.remove_sa(SaId{1});
  EXPECT_EQ(slot.sa.read()->id, SaId{3}) << "one that was not in use goes unnoticed";
  c.registry.remove_sa(SaId{3});
  EXPECT_EQ(slot.sa.read()->id, SaId{2});
  c.registry.remove_sa(SaId{2});
  EXPECT_EQ(slot.sa.read(), nullptr);
  EXPECT_EQ(&c.slot(), &slot);
}

TEST(Registry, AnSaMayComeBeforeItsPolicyAndOutliveIt) {
  Control c;
  ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kOut, 1)));
  ASSERT_TRUE(c.registry.add_policy(c.policy(1)) && c.registry.commit());
  EXPECT_EQ(c.slot().sa.read()->id, SaId{1});
  c.registry.remove_policy(PolicyId{1});
  ASSERT_TRUE(c.registry.commit());
  EXPECT_TRUE(c.registry.counters(SaId{1}));
  c.registry.remove_sa(SaId{1});
  EXPECT_FALSE(c.registry.counters(SaId{1}));
}

TEST(Registry, NothingIsFreedBeforeEveryWorkerHasReported) {
  Control c(3);
  ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kIn, 1)));
  for (unsigned i = 0; i < 3; ++i) c.turn(i);
  c.registry.collect();
  c.registry.remove_sa(SaId{1});
  EXPECT_EQ(c.tables().sad->find(Be32{0x1001}, *IpAddress::parse("198.51.100.2")), nullptr)
      << "out of the table at once";
  const std::size_t waiting = c.registry.retired();
  EXPECT_GE(waiting, 1u);
  for (unsigned i = 0; i < 2; ++i) {
    c.turn(i);
    c.registry.collect();
    EXPECT_EQ(c.registry.retired(), waiting) << "worker 2 may still hold it";
  }
  c.turn(2);
  c.registry.collect();
  EXPECT_EQ(c.registry.retired(), 0u);
}

// A network that cannot be made into routes (here: a prefix of 40 bits) must not keep a policy from the
// workers: it might be the one that stops traffic in clear.
TEST(Registry, NetworkThatCannotBePublishedIsAnErrorAndHoldsUpNothingElse) {
  Control c;
  const auto kept = c.tables().routes;
  c.registry.set_network({.routes = {{{IpAddress::v4(198, 18, 1, 0), 40}, std::nullopt, kLan}}});
  ASSERT_TRUE(c.registry.add_policy(c.policy(1)));
  EXPECT_FALSE(c.registry.commit());
  EXPECT_EQ(c.tables().routes, kept);
  EXPECT_EQ(c.slot().policy, PolicyId{1});
  c.registry.set_gateway(false);
  EXPECT_TRUE(c.registry.commit()) << "it is told to whoever changed the network";
  EXPECT_FALSE(c.tables().gateway_on);
  c.registry.set_network({.addresses = {{IpAddress::v4(198, 18, 1, 1), kLan}}});
  EXPECT_TRUE(c.registry.commit());
  EXPECT_TRUE(c.tables().routes->local(IpAddress::v4(198, 18, 1, 1)));
}

// Reloads for ever: `apply` removes the policy first, its SAs after it.
TEST(Registry, SlotsOfPoliciesThatWentAreUsedAgain) {
  Control c;
  std::uint32_t highest = 0;
  for (std::uint32_t id = 1; id <= 200; ++id) {
    ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kOut, id, id)));
    ASSERT_TRUE(c.registry.add_policy(c.policy(id)) && c.registry.commit());
    highest = std::max(highest, static_cast<std::uint32_t>(&c.slot() - &(*c.tables().outbound)[0]));
    EXPECT_EQ(c.slot().sa.read()->id, SaId{id});
    EXPECT_EQ(c.slot().policy, PolicyId{id});
    c.registry.remove_policy(PolicyId{id});
    ASSERT_TRUE(c.registry.commit());
    c.registry.remove_sa(SaId{id});
    c.turn();
    c.registry.collect();
  }
  EXPECT_LT(highest, 4u);
}

// A worker may read the tables before commit() publishes others: until then the slot is the old policy's, or
// its packets would leave by another policy's SA.
TEST(Registry, SlotIsNotUsedAgainBeforeTheTablesWithoutItsPolicyAreEverywhere) {
  Control c;
  ASSERT_TRUE(c.registry.add_policy(c.policy(1)) && c.registry.commit());
  OutboundSlot& old = c.slot();
  c.registry.remove_policy(PolicyId{1});
  c.turn();  // before the commit: proves nothing
  c.registry.collect();
  ASSERT_TRUE(c.registry.add_policy(c.policy(2)));
  EXPECT_EQ(old.policy, PolicyId{1});
  ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kOut, 2, 2)));
  EXPECT_EQ(old.sa.read(), nullptr) << "a packet of policy 1 would be sealed with policy 2's SA";
  ASSERT_TRUE(c.registry.commit());
  EXPECT_EQ(c.slot().sa.read()->id, SaId{2});
}

TEST(Registry, APolicyThatComesBackBeforeTheCommitKeepsItsSlotAndItsSa) {
  Control c;
  ASSERT_TRUE(c.registry.add_policy(c.policy(1)) && c.registry.commit());
  c.registry.remove_policy(PolicyId{1});
  ASSERT_TRUE(c.registry.add_policy(c.policy(1)));
  ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kOut, 1)));
  ASSERT_TRUE(c.registry.commit());
  for (int i = 0; i < 3; ++i) c.turn(), c.registry.collect();
  ASSERT_TRUE(c.registry.add_policy(c.policy(2)));
  ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kOut, 2, 2)));
  ASSERT_TRUE(c.registry.commit());
  EXPECT_EQ(c.slot().policy, PolicyId{1});
  EXPECT_EQ(c.slot().sa.read()->id, SaId{1}) << "order 1 decides, by its own SA";
}

TEST(Registry, ASecondSaOfOneIdOrOneSpiIsRefusedAndChangesNothing) {
  Control c;
  ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kIn, 1)));
  EXPECT_FALSE(c.registry.add_sa(c.sa(Direction::kOut, 1)));
  SaOptions o;
  o.id = 2;
  o.spi = Spi{0x1001};
  o.selectors = selectors("198.18.1.0/24", "198.18.2.0/24");
  EXPECT_FALSE(c.registry.add_sa(make_sa(Direction::kIn, o)));
  EXPECT_FALSE(c.registry.counters(SaId{2}));
  EXPECT_EQ(c.tables().sad->find(Be32{0x1001}, *IpAddress::parse("198.51.100.2")),
            c.registry.inbound(SaId{1}));
}

TEST(Registry, SasAreSpreadOverTheWorkers) {
  Control c(4);
  std::array<unsigned, 4> owned{};
  for (std::uint64_t id = 1; id <= 40; ++id) {
    ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kIn, id)));
    ++owned[c.registry.inbound(SaId{id})->owner];
  }
  for (const unsigned n : owned) EXPECT_EQ(n, 10u);
  std::array<bool, 4> emptied{};
  for (std::uint64_t id = 1; id <= 40; ++id)  // all of worker 2's go; the next ten are its
    if (c.registry.inbound(SaId{id})->owner == 2) c.registry.remove_sa(SaId{id}), emptied[2] = true;
  ASSERT_TRUE(emptied[2]);
  for (std::uint64_t id = 41; id <= 50; ++id) {
    ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kIn, id)));
    EXPECT_EQ(c.registry.inbound(SaId{id})->owner, 2);
  }
}

TEST(Registry, OuterPacketsFitTheSmallestUnprotectedPort) {
  Control c;
  ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kOut, 1)));
  ASSERT_TRUE(c.registry.add_policy(c.policy(1)) && c.registry.commit());
  EXPECT_EQ(c.slot().sa.read()->outer_mtu, 1400);
}

TEST(Rfc4303_3_3_3, WithoutEsnAnSaAsksForARekeyBeforeItsNumbersEnd) {
  Control c;
  ASSERT_TRUE(c.registry.add_sa(c.sa(Direction::kOut, 1)));
  ASSERT_TRUE(c.registry.add_policy(c.policy(1)) && c.registry.commit());
  SaLimits& limits = c.slot().sa.read()->limits;
  EXPECT_EQ(c.slot().sa.read()->check_at_packets, kSoftSequence);
  EXPECT_EQ(limits.reached(kSoftSequence - 1, 0), SaLimits::Limit::kNone);
  EXPECT_EQ(limits.reached(kSoftSequence, 0), SaLimits::Limit::kSoft);
  EXPECT_EQ(limits.next_packets(), kLastSequence);
  EXPECT_EQ(limits.reached(kLastSequence - 1, 0), SaLimits::Limit::kNone);
  EXPECT_EQ(limits.reached(kLastSequence, 0), SaLimits::Limit::kHard);
  EXPECT_TRUE(limits.expired);
  EXPECT_EQ(limits.reached(kLastSequence, 0), SaLimits::Limit::kNone) << "reported once";
  EXPECT_EQ(limits.reached(1, 0), SaLimits::Limit::kNone);
  EXPECT_TRUE(limits.expired) << "and for ever";
}

// Without room for all its classes a policy has none: another one that needs fewer gets them.
TEST(Registry, APolicyThatFindsNoRoomTakesNone) {
  Control c;
  const auto with_classes = [&](std::uint32_t id, std::uint8_t classes) {
    PolicySpec out = c.policy(id);
    out.classes.count = classes;
    return out;
  };
  std::uint32_t id = 1;
  for (std::size_t taken = 0; taken + kMostDscpClasses < kMostSlots; taken += kMostDscpClasses)
    ASSERT_TRUE(c.registry.add_policy(with_classes(id++, kMostDscpClasses)));
  ASSERT_TRUE(c.registry.add_policy(with_classes(id, 3)));
  EXPECT_FALSE(c.registry.add_policy(with_classes(id + 1, 6))) << "there are five";
  EXPECT_TRUE(c.registry.add_policy(with_classes(id + 1, 5)));
  EXPECT_FALSE(c.registry.add_policy(with_classes(id + 2, 1)));
  EXPECT_EQ(c.registry.policies().size(), id + 1);
}

}  // namespace
}  // namespace simplon::dp::test

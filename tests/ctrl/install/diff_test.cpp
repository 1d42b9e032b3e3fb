// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/ctrl/install/lab.h"

namespace simplon::ctrl::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Diff, OfEqualStatesIsNothing) {
  const State state = desired(config(), {});
  const Changes none = diff(state, state);
  EXPECT_THAT(none.set_policies, IsEmpty());
  EXPECT_THAT(none.remove_policies, IsEmpty());
  EXPECT_THAT(none.add_out, IsEmpty());
}

TEST(Diff, WhatDidNotChangeIsNotTouched) {
  State now = desired(config(), {}), want = now;
  now.sas[SaId{1}] = want.sas[SaId{1}] = install(1, Direction::kIn, 1, kNet).sa;
  want.policies.at(PolicyId{1}).order = 99;
  const Changes changes = diff(want, now);
  EXPECT_THAT(changes.set_policies, ElementsAre(want.policies.at(PolicyId{1})));
  EXPECT_THAT(changes.add_in, IsEmpty());
  EXPECT_THAT(changes.remove_in, IsEmpty());
  EXPECT_THAT(changes.remove_policies, IsEmpty());
}

TEST(DiffPart, OfOneSaIsWhatDiffWouldFind) {
  std::mt19937 random(7);  // NOLINT: the same walk every time
  PolicyIds ids;
  for (int i = 0; i < 10; ++i) ids.fresh();
  ChildSaTable children;
  Journal journal;
  State now;
  ASSERT_TRUE(apply(diff(desired(config(), children), now), journal, now));
  std::vector<SaId> alive;
  for (std::uint64_t id = 1; id < 400; ++id) {
    SaRef sa;
    if (alive.empty() || random() % 5 < 3) {
      const auto direction = random() % 2 == 0 ? Direction::kIn : Direction::kOut;
      const Selectors some[] = {kNet, kPart, {ts("198.18.1.7"), ts("198.18.2.0/24")}};
      const bool road = random() % 3 == 0;
      const std::string host = "203.0.113." + std::to_string(random() % 4);
      sa = children.add(
          road ? install(id, direction, 2, {ts("198.18.1.0/24"), ts(host)}, host)
               : install(id, direction, 1, some[random() % 3], random() % 2 == 0 ? "192.0.2.2" : "192.0.2.9"),
          config(), ids);
      alive.push_back(sa->id);
    } else {
      const std::size_t at = random() % alive.size();
      sa = children.remove(alive[at]);
      alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(at));
    }
    const State part = desired_part({sa}, config(), children);
    ASSERT_TRUE(apply(diff_part(part, {sa}, now), journal, now));
    ASSERT_TRUE(same(now, desired(config(), children))) << "step " << id;
    ASSERT_TRUE(same(now, journal.has));
  }
  EXPECT_EQ(children.remove(SaId{99999}), nullptr);
}

SaRef without_nat(std::uint64_t id, SaMode mode) {
  SaSpec sa = *install(id, Direction::kOut, 1, kNet).sa;
  sa.mode = mode;
  return std::make_shared<const SaSpec>(std::move(sa));
}

SaRef behind_nat(std::uint64_t id, std::uint16_t port, std::uint32_t policy = 1) {
  SaSpec sa = *install(id, Direction::kOut, policy, kNet).sa;
  sa.mode = SaMode::kTransport;
  sa.udp = UdpPorts{Port{4500}, Port{port}};
  return std::make_shared<const SaSpec>(std::move(sa));
}

// RFC 3948 §5.2: an entry has SAs to one port of a NAT alone.
TEST(Diff, AnSaToAnotherPortOfANatGoesBeforeTheNewOneComes) {
  State now, want;
  now.sas = {
      {SaId{1}, behind_nat(1, 1024)}, {SaId{2}, behind_nat(2, 1025, 2)}, {SaId{3}, behind_nat(3, 1026)}};
  want.sas = {{SaId{4}, behind_nat(4, 1026)}};
  const Changes changes = diff(want, now);
  EXPECT_THAT(changes.free_out, ElementsAre(now.sas.at(SaId{1})));
  EXPECT_THAT(changes.remove_out, ElementsAre(now.sas.at(SaId{2}), now.sas.at(SaId{3})))
      << "of another entry, and to the same port: they go last";
  const std::vector<SaRef> all{now.sas.at(SaId{1}), want.sas.at(SaId{4})};
  EXPECT_EQ(diff_part(want, all, now).free_out, changes.free_out);
  Journal journal;
  State state = now;
  ASSERT_TRUE(apply(changes, journal, state));
  EXPECT_THAT(journal.calls, ElementsAre("-out 1", "+out 4", "-out 2", "-out 3", "commit"));
}

TEST(Diff, AnSaWithoutUdpGoesBeforeOneBehindANatComes) {
  for (const SaMode mode : {SaMode::kTransport, SaMode::kTunnel}) {
    State now, want;
    now.sas = {{SaId{1}, without_nat(1, mode)}};
    want.sas = {{SaId{4}, behind_nat(4, 1026)}};
    EXPECT_THAT(diff(want, now).free_out, ElementsAre(now.sas.at(SaId{1})));
    want.sas = {{SaId{4}, without_nat(4, SaMode::kTransport)}};
    EXPECT_THAT(diff(want, now).free_out, ElementsAre()) << "which goes last, as ever";
  }
}

}  // namespace
}  // namespace simplon::ctrl::test

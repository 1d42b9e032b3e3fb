// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/apply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "tests/ctrl/install/lab.h"

namespace simplon::ctrl::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Apply, SasComeBeforePoliciesAndGoAfterThem) {
  State want, now;
  for (std::uint64_t id : {1, 3}) want.sas[SaId{id}] = install(id, Direction::kOut, 1, kNet).sa;
  want.sas[SaId{2}] = install(2, Direction::kIn, 1, kNet).sa;
  want.policies[PolicyId{1}] = entry(1, "p", 1, kNet);
  now.sas[SaId{4}] = install(4, Direction::kIn, 2, kNet).sa;
  now.sas[SaId{5}] = install(5, Direction::kOut, 2, kNet).sa;
  now.policies[PolicyId{2}] = entry(2, "q", 2, kNet);
  Journal journal;
  ASSERT_TRUE(apply(diff(want, now), journal, now));
  EXPECT_THAT(journal.calls, ElementsAre("+in 2", "+out 1", "+out 3", "+policy 1", "-policy 2", "-out 5",
                                         "-in 4", "commit"));
  EXPECT_TRUE(same(now, want));
}

// A peer that moves and makes another child in the same message: the new SA may need the place of the old
// one.
TEST(Apply, WhatMovesMakesRoomBeforeOthersCome) {
  State want, now;
  now.sas[SaId{1}] = install(1, Direction::kOut, 1, kNet).sa;
  SaSpec moved = *now.sas[SaId{1}];
  moved.udp = UdpPorts{Port{4500}, Port{4501}};
  want.sas[SaId{1}] = std::make_shared<const SaSpec>(moved);
  want.sas[SaId{2}] = install(2, Direction::kOut, 1, kNet).sa;
  Journal journal;
  journal.has = now;
  ASSERT_TRUE(apply(diff(want, now), journal, now));
  EXPECT_THAT(journal.calls, ElementsAre("~out 1", "+out 2", "commit"));
}

TEST(Rfc4301_5, NothingPassesInTheClearBetweenTwoSteps) {
  State want, now;
  PolicySpec bypass = entry(1, "bypass", 9, kNet), protect = entry(2, "protect", 1, kPart);
  bypass.action = Action::kBypass;
  want.policies = {{bypass.id, bypass}, {protect.id, protect}};
  Journal up, down;
  ASSERT_TRUE(apply(diff(want, now), up, now));
  EXPECT_THAT(up.calls, ElementsAre("+policy 2", "+policy 1", "commit"));
  bypass.id = PolicyId{3};
  now.policies = {{protect.id, protect}, {bypass.id, bypass}};
  ASSERT_TRUE(apply(diff({}, now), down, now));
  EXPECT_THAT(down.calls, ElementsAre("-policy 3", "-policy 2", "commit"));
}

// The nets that entries of these tests are for; a packet is one of them.
constexpr std::size_t kNets = 4;
Selectors nets(unsigned which) {
  Selectors out{{}, ts("198.51.100.0/24")};
  for (std::size_t i = 0; i < kNets; ++i)
    if (which >> i & 1) out.local.push_back(ts("198.18." + std::to_string(i) + ".0/24")[0]);
  return out;
}

// Which of the packets pass in the clear: the first entry that takes them is a BYPASS.
std::array<bool, kNets> clear(const std::map<PolicyId, PolicySpec>& table) {
  std::array<bool, kNets> out{};
  for (std::size_t i = 0; i < kNets; ++i) {
    const PolicySpec* first = nullptr;
    for (const auto& [id, p] : table)
      if (covers(p.selectors.local, nets(1u << i).local) && (!first || p.order < first->order)) first = &p;
    out[i] = first && first->action == Action::kBypass;
  }
  return out;
}

// Nothing that is closed both before and after is open in between, nor after errors.
void expect_closed_throughout(const std::map<PolicyId, PolicySpec>& before,
                              const std::map<PolicyId, PolicySpec>& after, const std::string& fails_at,
                              bool failing_does_it = true) {
  State want, now;
  now.policies = before;
  want.policies = after;
  Journal journal;
  journal.fails_at = fails_at;
  journal.failing_does_it = failing_does_it;
  journal.has = now;
  const auto old = clear(before), fresh = clear(after);
  journal.step = [&] {
    const auto open = clear(journal.has.policies);
    for (std::size_t i = 0; i < kNets; ++i) EXPECT_TRUE(!open[i] || old[i] || fresh[i]) << "net " << i;
  };
  const bool whole = apply(diff(want, now), journal, now).has_value();
  journal.fails_at.clear();
  EXPECT_TRUE(whole || apply(diff(want, now), journal, now));
  EXPECT_EQ(journal.has.policies, after);
  EXPECT_EQ(now.policies, after);
  EXPECT_THAT(now.partially_installed, IsEmpty());
}

// An entry put in front moves all others back.
TEST(Rfc4301_5, WhatMovesBackStaysInFrontOfTheBypassBehindIt) {
  PolicySpec protect = entry(1, "protect", 16, nets(1)), bypass = entry(2, "bypass", 32, nets(15));
  bypass.action = Action::kBypass;
  const std::map<PolicyId, PolicySpec> before{{protect.id, protect}, {bypass.id, bypass}};
  protect.order = 48;
  bypass.order = 64;
  for (const std::string fails_at : {"", "+policy 1", "+policy 2"})
    expect_closed_throughout(before, {{protect.id, protect}, {bypass.id, bypass}}, fails_at);
  // A BYPASS that goes, and one that becomes another entry.
  for (const std::string fails_at : {"", "+policy 1", "-policy 2"})
    expect_closed_throughout(before, {{protect.id, protect}}, fails_at);
  bypass.action = Action::kDiscard;
  for (const std::string fails_at : {"", "+policy 1", "+policy 2"})
    expect_closed_throughout(before, {{protect.id, protect}, {bypass.id, bypass}}, fails_at);
}

// A table of entries in some order, as the configuration numbers them.
std::map<PolicyId, PolicySpec> some_table(std::mt19937& random) {
  std::array<std::uint32_t, 7> ids{1, 2, 3, 4, 5, 6, 7};
  std::ranges::shuffle(ids, random);
  std::map<PolicyId, PolicySpec> out;
  for (std::uint32_t at = 0; at < random() % 8; ++at) {
    const std::uint32_t id = ids[at];
    PolicySpec p = entry(id, "e", 16 * (at + 1), nets(id < 4 ? id : id * 3 % 16));
    p.action = id % 2 == 0 ? Action::kBypass : id == 7 ? Action::kDiscard : Action::kProtect;
    if (id == 6 && random() % 2 == 0) p.action = Action::kProtect;
    out[p.id] = p;
  }
  return out;
}

TEST(Rfc4301_5, NothingPassesInTheClearBetweenAnyTwoTables) {
  std::mt19937 random(11);  // NOLINT: the same tables every time
  for (int i = 0; i < 3000 && !testing::Test::HasFailure(); ++i) {
    const auto before = some_table(random), after = some_table(random);
    const std::string what = random() % 2 == 0 ? "+policy " : "-policy ";
    const std::string fails_at = random() % 2 == 0 ? "" : what + std::to_string(random() % 7 + 1);
    SCOPED_TRACE("tables " + std::to_string(i) + ", failing " + fails_at);
    for (const bool failing_does_it : {true, false})
      expect_closed_throughout(before, after, fails_at, failing_does_it);
  }
}

// Whatever is wanted next: a part of it may stand.
TEST(Apply, WhatCouldNotBeSetIsNotForgotten) {
  State now, want;
  const PolicySpec old = entry(1, "old", 1, kNet), next = entry(1, "new", 2, kPart);
  now.policies = want.policies = {{old.id, old}};
  Journal journal;
  journal.fails_at = "+policy 1";
  want.policies[next.id] = next;
  ASSERT_FALSE(apply(diff(want, now), journal, now));
  journal.fails_at.clear();
  want.policies[old.id] = old;
  ASSERT_TRUE(apply(diff(want, now), journal, now));
  EXPECT_EQ(journal.has.policies.at(old.id), old);
  EXPECT_TRUE(same(now, want));

  journal.fails_at = "+policy 1";
  want.policies[next.id] = next;
  ASSERT_FALSE(apply(diff(want, now), journal, now));
  journal.fails_at.clear();
  ASSERT_TRUE(apply(diff({}, now), journal, now));
  EXPECT_THAT(journal.has.policies, IsEmpty());
  EXPECT_THAT(now.partially_installed, IsEmpty());
}

TEST(Rfc4301_5, ABypassThatCannotBeSetIsTakenAway) {
  State now, want;
  PolicySpec bypass = entry(1, "bypass", 1, kNet);
  bypass.action = Action::kBypass;
  now.policies[bypass.id] = bypass;
  bypass.selectors = kPart;
  want.policies[bypass.id] = bypass;
  Journal journal;
  journal.fails_at = "+policy 1";
  ASSERT_FALSE(apply(diff(want, now), journal, now));
  EXPECT_THAT(journal.has.policies, IsEmpty());
  EXPECT_THAT(now.policies, IsEmpty());
}

TEST(Apply, AnErrorNamesWhatFailedAndLeavesTheTruth) {
  State want, now;
  want.sas[SaId{1}] = install(1, Direction::kIn, 1, kNet).sa;
  want.sas[SaId{2}] = install(2, Direction::kOut, 1, kNet).sa;
  want.policies[PolicyId{1}] = entry(1, "sites/net", 1, kNet);
  Journal journal;
  journal.fails_at = "+out 2";
  const auto done = apply(diff(want, now), journal, now);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().what,
              HasSubstr("journal: cannot install outbound SA 00001002 192.0.2.1 to 192.0.2.2: no room"));
  EXPECT_THAT(journal.calls, ElementsAre("+in 1", "+policy 1", "commit")) << "the policies come all the same";
  EXPECT_THAT(now.sas, SizeIs(1));
  journal.fails_at.clear();
  ASSERT_TRUE(apply(diff(want, now), journal, now)) << "and can be tried again from there";
  EXPECT_TRUE(same(now, want));
}

TEST(Rfc4301_5, WhereAnEntryThatClosesCannotBeSetNothingIsOpened) {
  State want, now;
  PolicySpec bypass = entry(1, "bypass", 9, kNet);
  bypass.action = Action::kBypass;
  want.policies = {{bypass.id, bypass}};
  for (const std::uint32_t id : {2u, 3u}) want.policies[PolicyId{id}] = entry(id, "protect", id, kPart);
  now.policies[PolicyId{4}] = entry(4, "before", 4, kPart);
  Journal journal;
  journal.fails_at = "+policy 2";
  ASSERT_FALSE(apply(diff(want, now), journal, now));
  EXPECT_THAT(journal.calls, ElementsAre("+policy 3", "commit")) << "the other entry that closes is set";
  EXPECT_TRUE(now.policies.contains(PolicyId{4})) << "and what closed so far stays";
  journal.fails_at.clear();
  ASSERT_TRUE(apply(diff(want, now), journal, now));
  EXPECT_TRUE(same(now, want));

  now.policies = {{bypass.id, bypass}, {PolicyId{4}, entry(4, "before", 4, kPart)}};
  Journal down;
  down.fails_at = "-policy 1";
  ASSERT_FALSE(apply(diff({}, now), down, now));
  EXPECT_THAT(down.calls, ElementsAre("commit"));
  EXPECT_THAT(now.policies, SizeIs(2));
}

TEST(Rfc4301_5, ABypassThatBecomesAProtectThatCannotBeSetGoes) {
  State want, now;
  PolicySpec bypass = entry(1, "clear", 9, kNet);
  bypass.action = Action::kBypass;
  now.policies = {{bypass.id, bypass}};
  want.policies = {{PolicyId{1}, entry(1, "clear", 9, kNet)}};
  Journal journal;
  journal.fails_at = "+policy 1";
  ASSERT_FALSE(apply(diff(want, now), journal, now));
  EXPECT_THAT(journal.calls, ElementsAre("-policy 1", "commit"));
  EXPECT_THAT(now.policies, IsEmpty());
}

}  // namespace
}  // namespace simplon::ctrl::test

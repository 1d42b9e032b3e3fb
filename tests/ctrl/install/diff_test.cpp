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

}  // namespace
}  // namespace simplon::ctrl::test

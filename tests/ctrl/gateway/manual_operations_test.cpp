// SPDX-License-Identifier: Apache-2.0
// Entries made by hand over a backend that writes down what it is told.
#include "ctrl/gateway/manual_operations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ctrl/install/lab.h"

namespace simplon::ctrl::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct ByHand : testing::Test {
  Config configuration = config();
  PolicyIds ids;
  std::unique_ptr<Log> log = std::move(*Log::open(Level::kError, "/dev/null"));
  Reconciler reconciler{configuration, ids, *log};
  std::vector<std::pair<PolicyId, bool>> kept;
  ManualOperations manual{reconciler, configuration, ids, *log,
                          [this](PolicyId id, bool there) { kept.emplace_back(id, there); }};
  Operations console;
  Journal* journal = nullptr;

  ByHand() {
    for (int i = 0; i < 10; ++i) ids.fresh();
    auto backend = std::make_unique<Journal>();
    journal = backend.get();
    EXPECT_TRUE(reconciler.start(BackendId::kDataPath, std::move(backend)));
    EXPECT_TRUE(reconciler.reconcile({}));
    manual.bind(console);
    calls();
  }
  std::vector<std::string> calls() { return std::exchange(journal->calls, {}); }
  static SaSpec sa(Direction direction, PolicyId policy) {
    return {.direction = direction,
            .spi = Spi{0x4321},
            .source = ip("192.0.2.1"),
            .destination = ip("192.0.2.2"),
            .policy = policy};
  }
  PolicySpec policy(Action action) {
    PolicySpec out = entry(0, "lab", 99, kNet);
    out.action = action;
    return out;
  }
};

// Of the process before this one, under the numbers that they had.
TEST_F(ByHand, WhatTheGatewayBeforeHadGoesOn) {
  PolicySpec lab = policy(Action::kProtect);
  lab.id = PolicyId{40};
  PolicySpec like_the_files = lab;
  like_the_files.name = configuration.policies[0].name;
  PolicySpec taken = lab;
  taken.id = PolicyId{3};
  taken.name = "taken";
  SaSpec out = sa(Direction::kOut, lab.id), orphan = sa(Direction::kOut, PolicyId{77});
  out.id = SaId{(std::uint64_t{1} << 62) + 5};
  orphan.id = SaId{(std::uint64_t{1} << 62) + 6};
  orphan.spi = Spi{0x4444};
  PolicySpec before = lab;
  before.id = PolicyId{39};
  before.name = "made before it, and stands behind it";
  manual.adopt({like_the_files, taken, lab, before}, {out, orphan});
  ASSERT_TRUE(reconciler.reconcile({}));
  EXPECT_TRUE(reconciler.holds(lab.id));
  EXPECT_TRUE(reconciler.holds(out.id));
  EXPECT_FALSE(reconciler.holds(orphan.id)) << "nothing would send by it";
  EXPECT_TRUE(reconciler.holds(before.id));
  EXPECT_EQ(console.manual_policies().size(), 2u);
  EXPECT_EQ(ids.fresh(), PolicyId{41});
  SaSpec another = sa(Direction::kOut, lab.id);
  another.spi = Spi{0x4445};
  const auto added = console.add_sa(another);
  ASSERT_TRUE(added) << added.error().what;
  EXPECT_EQ(*added, SaId{(std::uint64_t{1} << 62) + 6}) << "a number that is not used yet";
  EXPECT_TRUE(console.remove_sa(out.id));
}

TEST_F(ByHand, APolicyIsKeptForTheNextGatewayUntilItIsRemoved) {
  const auto id = console.add_policy(policy(Action::kDiscard));
  ASSERT_TRUE(id) << id.error().what;
  ASSERT_TRUE(console.remove_policy(*id));
  EXPECT_THAT(kept, ElementsAre(testing::Pair(*id, true), testing::Pair(*id, false)));
}

TEST_F(ByHand, AnSaIsGoneWhenItsRemovalIsAnswered) {
  const auto id = console.add_sa(sa(Direction::kOut, PolicyId{1}));
  ASSERT_TRUE(id) << id.error().what;
  calls();
  ASSERT_TRUE(console.remove_sa(*id));
  EXPECT_FALSE(reconciler.holds(*id));
  EXPECT_THAT(calls(), ElementsAre(HasSubstr("-out "), "commit"))
      << "and nothing else was compared or changed";
  ASSERT_TRUE(reconciler.reconcile({}));
  EXPECT_THAT(calls(), IsEmpty());
  EXPECT_TRUE(console.add_sa(sa(Direction::kOut, PolicyId{1}))) << "the same SPI at once";
}

TEST_F(ByHand, APolicyTooOfEveryKind) {
  for (const Action action : {Action::kBypass, Action::kDiscard, Action::kProtect}) {
    const auto id = console.add_policy(policy(action));
    ASSERT_TRUE(id) << id.error().what;
    calls();
    ASSERT_TRUE(console.remove_policy(*id));
    EXPECT_FALSE(reconciler.holds(*id));
    EXPECT_THAT(calls(), ElementsAre("-policy " + std::to_string(static_cast<std::uint32_t>(*id)), "commit"));
  }
}

TEST_F(ByHand, ARemovalThatFailsIsToldAndTriedAgain) {
  const auto id = console.add_policy(policy(Action::kDiscard));
  ASSERT_TRUE(id);
  journal->fails_at = "-policy " + std::to_string(static_cast<std::uint32_t>(*id));
  journal->failing_does_it = false;
  const auto done = console.remove_policy(*id);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().what, HasSubstr("cannot remove policy 'lab'"));
  journal->fails_at.clear();
  ASSERT_TRUE(reconciler.reconcile({}));
  EXPECT_FALSE(reconciler.holds(*id));
}

TEST_F(ByHand, NothingIsOpenedWhileAnEntryThatClosesIsMissing) {
  const auto id = console.add_policy(policy(Action::kDiscard));
  ASSERT_TRUE(id);
  configuration.policies[0].order = 77;
  journal->fails_at = "+policy 1";
  reconciler.all_changed();
  ASSERT_FALSE(reconciler.reconcile({}));
  EXPECT_FALSE(console.remove_policy(*id));
  EXPECT_TRUE(reconciler.holds(*id));
  journal->fails_at.clear();
  ASSERT_TRUE(reconciler.reconcile({}));
  EXPECT_FALSE(reconciler.holds(*id));
}

TEST_F(ByHand, APolicyThatSasNameIsNotRemoved) {
  const auto lab = console.add_policy(policy(Action::kProtect));
  ASSERT_TRUE(lab);
  const auto out = console.add_sa(sa(Direction::kOut, *lab)), in = console.add_sa(sa(Direction::kIn, *lab));
  ASSERT_TRUE(out && in);
  const auto refused = console.remove_policy(*lab);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("outbound SA 00004321 192.0.2.1 to 192.0.2.2"));
  EXPECT_THAT(refused.error().what, HasSubstr("inbound SA 00004321"));
  EXPECT_TRUE(reconciler.holds(*lab));
  ASSERT_TRUE(console.remove_sa(*out) && console.remove_sa(*in));
  EXPECT_TRUE(console.remove_policy(*lab));
}

TEST_F(ByHand, AReloadWarnsOfANameTakenAndOfAPolicyGone) {
  ASSERT_TRUE(console.add_policy(policy(Action::kProtect)));
  ASSERT_TRUE(console.add_sa(sa(Direction::kIn, PolicyId{1})));
  EXPECT_THAT(manual.conflicts(configuration), IsEmpty());
  Config next;
  next.policies = {entry(20, "lab", 16, kNet)};
  next.positions[PolicyId{20}] = 0;
  EXPECT_THAT(manual.conflicts(next),
              ElementsAre(HasSubstr("policy 'lab' of the file has the name of one made by hand"),
                          HasSubstr("the policy that manual inbound SA 00004321")));
}

// XFRM_MAX_DEPTH: the seventh template would be refused when it is too late to say so.
TEST_F(ByHand, InModeKernelSixSasAreAroundEachOtherAtMost) {
  for (const Mode mode : {Mode::kDataPath, Mode::kKernel}) {
    configuration.mode = Mode::kDataPath;  // where these are installed
    PolicyId over{};
    for (unsigned i = 1; i <= 7; ++i) {
      const std::string inner = "203.0.113." + std::to_string(i + 1), own = "203.0.113." + std::to_string(i);
      PolicySpec next = entry(0, "p" + std::to_string(i), 99, {ts(inner + "[50]"), ts("203.0.113.100[50]")});
      next.tunnel = TunnelEnds{ip(own), ip("203.0.113.100")};
      next.over = over;
      configuration.mode = i == 7 ? mode : Mode::kDataPath;
      const auto id = console.add_policy(next);
      EXPECT_EQ(id.has_value(), i < 7 || mode == Mode::kDataPath);
      if (!id) {
        EXPECT_THAT(id.error().what, HasSubstr("more than 6 SAs around each other"));
      } else {
        over = *id;
      }
    }
  }
}

}  // namespace
}  // namespace simplon::ctrl::test

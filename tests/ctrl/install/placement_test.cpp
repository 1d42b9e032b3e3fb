// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ctrl/install/lab.h"

namespace simplon::ctrl::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

State some_state() {
  State out;
  for (const std::uint64_t id : {1, 2}) out.sas[SaId{id}] = install(id, Direction::kIn, 1, kNet).sa;
  out.policies[PolicyId{1}] = entry(1, "sites/net", 1, kNet);
  return out;
}

Can all_but(std::uint64_t id) {
  return [id](const SaSpec& sa) {
    return sa.id == SaId{id} ? Result<void>(fail("no such cipher")) : Result<void>{};
  };
}

TEST(Placement, OfEachModeGivesItsOneBackendEverything) {
  const Capabilities both{{BackendId::kDataPath, all_but(0)}, {BackendId::kKernel, all_but(0)}};
  for (const Mode mode : {Mode::kDataPath, Mode::kKernel}) {
    const BackendId one = mode == Mode::kKernel ? BackendId::kKernel : BackendId::kDataPath;
    const BackendId other = mode == Mode::kKernel ? BackendId::kDataPath : BackendId::kKernel;
    const Placement placed = placement(mode, some_state(), both);
    EXPECT_THAT(placed.states, SizeIs(2)) << "each backend is told what is wanted of it";
    EXPECT_THAT(placed.states.at(one).sas, SizeIs(2));
    EXPECT_EQ(placed.states.at(one).policies, some_state().policies);
    EXPECT_THAT(placed.states.at(other).sas, IsEmpty());
    EXPECT_THAT(placed.states.at(other).policies, IsEmpty());
    EXPECT_THAT(placed.refused, IsEmpty());
  }
}

TEST(Placement, AnSaThatTheBackendCannotDoIsNotPlacedAndSaysWhy) {
  const Placement placed = placement(Mode::kDataPath, some_state(), {{BackendId::kDataPath, all_but(2)}});
  const State& state = placed.states.at(BackendId::kDataPath);
  EXPECT_THAT(state.sas, SizeIs(1));
  EXPECT_TRUE(state.sas.contains(SaId{1}));
  EXPECT_THAT(state.policies, SizeIs(1)) << "what it protects stays closed";
  ASSERT_THAT(placed.refused, SizeIs(1));
  EXPECT_EQ(placed.refused[0].sa->id, SaId{2});
  EXPECT_EQ(placed.refused[0].why,
            "the data path cannot do inbound SA 00001002 192.0.2.2 to 192.0.2.1: no such cipher");
}

// In mode dp with the kernel beside: some SAs are pinned, some are there, some only the kernel can do.
struct Both {
  std::map<PolicyId, Pin> pins;
  std::map<SaId, BackendId> there;
  Can datapath = all_but(0), kernel = all_but(0);

  Placement place(State state) const {
    return placement(Mode::kDataPath, std::move(state),
                     {{BackendId::kDataPath, datapath}, {BackendId::kKernel, kernel}},
                     {.pin =
                          [this](PolicyId id) {
                            const auto found = pins.find(id);
                            return found == pins.end() ? Pin::kNone : found->second;
                          },
                      .held = [this](SaId id) -> std::optional<BackendId> {
                        const auto found = there.find(id);
                        if (found == there.end()) return std::nullopt;
                        return found->second;
                      }});
  }
};

State net_of(std::vector<std::pair<std::uint64_t, Direction>> sas) {
  State out;
  for (const auto& [id, direction] : sas) out.sas[SaId{id}] = install(id, direction, 1, kNet).sa;
  out.policies[PolicyId{1}] = entry(1, "sites/net", 32, kNet);
  out.policies[PolicyId{1}].child = PolicyId{1};
  return out;
}
State pair_of(std::uint64_t in, std::uint64_t out) {
  return net_of({{in, Direction::kIn}, {out, Direction::kOut}});
}

TEST(Placement, AnSaThatNoDeviceCanDoLivesInTheKernelWithItsEntry) {
  const Placement placed = Both{.datapath = all_but(2)}.place(pair_of(1, 2));
  const State &datapath = placed.states.at(BackendId::kDataPath),
              &kernel = placed.states.at(BackendId::kKernel);
  EXPECT_TRUE(datapath.sas.contains(SaId{1}) && kernel.sas.contains(SaId{2}));
  EXPECT_EQ(datapath.policies, pair_of(1, 2).policies) << "the data path sees every packet first";
  ASSERT_TRUE(kernel.policies.contains(PolicyId{1}));
  EXPECT_EQ(kernel.policies.at(PolicyId{1}).tunnel, (TunnelEnds{ip("192.0.2.1"), ip("192.0.2.2")}))
      << "the kernel's entry names the ends of its SA";
  EXPECT_THAT(placed.refused, IsEmpty());
}

TEST(Placement, WithoutAnSaInTheKernelItHasNoEntry) {
  const Placement placed = Both{}.place(pair_of(1, 2));
  EXPECT_THAT(placed.states.at(BackendId::kDataPath).sas, SizeIs(2));
  EXPECT_THAT(placed.states.at(BackendId::kKernel).policies, IsEmpty());
}

TEST(Placement, WhatNobodyCanDoIsRefusedWithBothReasons) {
  const Placement placed = Both{.datapath = all_but(2), .kernel = all_but(2)}.place(pair_of(1, 2));
  ASSERT_THAT(placed.refused, SizeIs(1));
  EXPECT_EQ(
      placed.refused[0].why,
      "the data path cannot do outbound SA 00001002 192.0.2.1 to 192.0.2.2: no such cipher; the kernel: "
      "no such cipher");
}

TEST(Placement, APinDecidesForNewSasAndOneThatIsThereStays) {
  Both both{.pins = {{PolicyId{1}, Pin::kKernel}}};
  EXPECT_THAT(both.place(pair_of(1, 2)).states.at(BackendId::kKernel).sas, SizeIs(2));
  both.there = {{SaId{1}, BackendId::kDataPath}, {SaId{2}, BackendId::kDataPath}};
  EXPECT_THAT(both.place(pair_of(1, 2)).states.at(BackendId::kKernel).sas, IsEmpty())
      << "two senders never share a key";
  // The kernel cannot: better the data path than nobody. The data path alone: nobody else.
  const Placement able = Both{.pins = both.pins, .kernel = all_but(1)}.place(pair_of(1, 2));
  EXPECT_TRUE(able.states.at(BackendId::kDataPath).sas.contains(SaId{1}));
  const Placement alone =
      Both{.pins = {{PolicyId{1}, Pin::kDataPath}}, .datapath = all_but(1)}.place(pair_of(1, 2));
  EXPECT_THAT(alone.refused, SizeIs(1));
  EXPECT_THAT(alone.states.at(BackendId::kKernel).sas, IsEmpty());
}

TEST(Placement, TheKernelsEntryGoesInwardsAloneOnceItsOutboundSaHasGone) {
  Both both{.there = {{SaId{1}, BackendId::kKernel}, {SaId{2}, BackendId::kKernel}}};
  State moving =
      net_of({{1, Direction::kIn}, {2, Direction::kOut}, {3, Direction::kIn}, {4, Direction::kOut}});
  EXPECT_EQ(both.place(moving).states.at(BackendId::kKernel).policies.at(PolicyId{1}).direction,
            PolicyDirection::kBoth);
  moving.sas.erase(SaId{2});
  const Placement placed = both.place(moving);
  EXPECT_EQ(placed.states.at(BackendId::kKernel).policies.at(PolicyId{1}).direction, PolicyDirection::kIn);
  EXPECT_THAT(placed.states.at(BackendId::kDataPath).sas, SizeIs(2));
}

TEST(Placement, TheKernelLeavesToTheDataPathWhatStandsBeforeItsEntry) {
  State state = pair_of(1, 2);
  const auto add = [&](std::uint32_t id, std::uint32_t order, const Selectors& selectors, Action action) {
    state.policies[PolicyId{id}] = entry(id, "p" + std::to_string(id), order, selectors);
    state.policies[PolicyId{id}].action = action;
  };
  add(2, 16, kPart, Action::kProtect);
  add(3, 16, kPart, Action::kDiscard);
  add(4, 48, kPart, Action::kBypass);
  add(5, 16, {ts("192.0.2.0/24"), ts("203.0.113.0/24")}, Action::kProtect);
  add(6, 31, kPart, Action::kProtect);
  state.policies[PolicyId{6}].child = PolicyId{1};  // narrowed
  const Placement placed = Both{.pins = {{PolicyId{1}, Pin::kKernel}}}.place(state);
  const auto& kernel = placed.states.at(BackendId::kKernel);
  EXPECT_THAT(kernel.policies, SizeIs(3)) << "behind it, beside it and of its child none is needed";
  for (const std::uint32_t id : {2, 3}) {
    ASSERT_TRUE(kernel.policies.contains(PolicyId{id})) << id;
    EXPECT_EQ(kernel.policies.at(PolicyId{id}).action, Action::kBypass);
    EXPECT_EQ(kernel.policies.at(PolicyId{id}).order, 16u);
  }
}

}  // namespace
}  // namespace simplon::ctrl::test

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

}  // namespace
}  // namespace simplon::ctrl::test

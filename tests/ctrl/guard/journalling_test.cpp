// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/journalling.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <set>
#include <vector>

#include "ctrl/guard/records.h"

namespace simplon::ctrl {
namespace {

SaSpec sa(std::uint64_t id) {
  SaSpec out{.id = SaId{id}, .spi = Spi{static_cast<std::uint32_t>(0x1000 + id)}};
  out.suite.encr = &kEncrs[0];
  out.encr_key = Secret(Buffer(out.suite.encr->key, 1));
  out.salt = Secret(Buffer(out.suite.encr->salt, 2));
  return out;
}

struct Shared {
  std::vector<std::byte> memory = std::vector<std::byte>(1 << 18);
  std::array<dp::SaLease, 8> leases{};
  // What one gateway has of it.
  struct Gateway {
    explicit Gateway(Shared& shared, bool adopts = false)
        : journal(shared.memory), sas(journal, shared.leases, adopts) {}
    Journal journal;
    SaJournal sas;
    std::uint32_t lease(std::uint64_t id) const { return sas.start_of(sa(id)).lease; }
  };
};

TEST(SaJournal, EachSaHasALeaseOfItsOwn) {
  Shared shared;
  Shared::Gateway gateway(shared);
  std::set<std::uint32_t> leases;
  for (std::uint64_t id = 1; id <= 8; ++id) {
    ASSERT_TRUE(gateway.sas.put(sa(id)));
    leases.insert(gateway.lease(id));
  }
  EXPECT_EQ(leases.size(), 8u);
  EXPECT_LT(*leases.rbegin(), 8u);
  EXPECT_EQ(gateway.lease(9), dp::kNoLease);
  EXPECT_FALSE(gateway.sas.put(sa(9))) << "there are eight";
  EXPECT_FALSE(gateway.journal.holds(RecordKind::kSa, 9));
}

TEST(SaJournal, TheNextGatewayGoesOnWithTheSameLease) {
  Shared shared;
  std::uint32_t lease = 0;
  {
    Shared::Gateway gateway(shared);
    ASSERT_TRUE(gateway.sas.put(sa(1)));
    ASSERT_TRUE(gateway.sas.put(sa(2)));
    lease = gateway.lease(2);
    shared.leases[lease].ceiling = 500;
  }
  Shared::Gateway next(shared);
  EXPECT_EQ(next.lease(2), lease);
  ASSERT_TRUE(next.sas.put(sa(2)));
  EXPECT_EQ(next.lease(2), lease);
  EXPECT_EQ(shared.leases[lease].ceiling, 500u);
}

TEST(SaJournal, WhatIsNotAdoptedIsForgotten) {
  Shared shared;
  std::uint32_t gone = 0;
  {
    Shared::Gateway gateway(shared);
    for (std::uint64_t id = 1; id <= 3; ++id) ASSERT_TRUE(gateway.sas.put(sa(id)));
    ASSERT_TRUE(gateway.sas.put(PolicySpec{.id = PolicyId{7}, .name = "stays", .tunnel = {}}));
    ASSERT_TRUE(gateway.sas.put(PolicySpec{.id = PolicyId{8}, .name = "goes", .tunnel = {}}));
    gone = gateway.lease(1);
    shared.leases[gone].ceiling = 1 << 16;
    shared.leases[gone].floor = 9;
  }
  Shared::Gateway next(shared);
  ASSERT_TRUE(next.sas.put(sa(2)));
  ASSERT_TRUE(next.sas.put(PolicySpec{.id = PolicyId{7}, .name = "stays", .tunnel = {}}));
  next.sas.erase(SaId{3});
  next.sas.forget_former();
  EXPECT_EQ(next.journal.keys(RecordKind::kSa), std::vector<std::uint64_t>{2});
  EXPECT_EQ(next.journal.keys(RecordKind::kPolicy), std::vector<std::uint64_t>{7});
  EXPECT_EQ(shared.leases[gone].ceiling, 0u);
  EXPECT_EQ(shared.leases[gone].floor, 0u);
}

// What nobody knows anything of may have been sent by: its next number would be one that was used.
TEST(SaJournal, AnAdoptedSaWithoutARecordIsUsedUp) {
  Shared shared;
  {
    Shared::Gateway gateway(shared);
    ASSERT_TRUE(gateway.sas.put(sa(1)));
  }
  Shared::Gateway next(shared, true);
  SaSpec in = sa(3);
  in.direction = Direction::kIn;
  for (const SaSpec& one : {sa(1), sa(2), in}) ASSERT_TRUE(next.sas.put(one));
  EXPECT_EQ(next.sas.start_of(sa(1)).next_sequence, 1u) << "its lease says where it goes on";
  EXPECT_EQ(next.sas.start_of(sa(2)).next_sequence, std::uint64_t{1} << 32);
  EXPECT_EQ(next.sas.start_of(in).replay_top, 0xffffffffu);
  next.sas.forget_former();
  ASSERT_TRUE(next.sas.put(sa(4)));
  EXPECT_EQ(next.sas.start_of(sa(4)).next_sequence, 1u) << "a new one";
}

// Its record was gone before the data path had freed it.
TEST(SaJournal, ALeaseThatNobodyHasIsFree) {
  Shared shared;
  for (dp::SaLease& lease : shared.leases) lease.ceiling = 1 << 16;
  Shared::Gateway next(shared, true);
  EXPECT_TRUE(next.sas.put(sa(1)));
  EXPECT_EQ(shared.leases[next.lease(1)].ceiling, 0u);
}

TEST(SaJournal, ASlotIsGivenAgainWhenTheDataPathHasFreedIt) {
  Shared shared;
  Shared::Gateway gateway(shared);
  for (std::uint64_t id = 1; id <= 8; ++id) {
    ASSERT_TRUE(gateway.sas.put(sa(id)));
    shared.leases[gateway.lease(id)].ceiling = 1;
  }
  const std::uint32_t slot = gateway.lease(4);
  gateway.sas.erase(SaId{4});
  EXPECT_FALSE(gateway.sas.put(sa(9))) << "its SA may still be in use";
  shared.leases[slot].ceiling = 0;
  ASSERT_TRUE(gateway.sas.put(sa(9)));
  EXPECT_EQ(gateway.lease(9), slot);
}

// It goes on where it is, and its numbers are the kernel's: it has no lease, and takes none away.
TEST(SaJournal, OneThatLivesInTheKernelIsNamedWithoutALease) {
  Shared shared;
  {
    Shared::Gateway gateway(shared);
    for (std::uint64_t id = 11; id <= 30; ++id) ASSERT_TRUE(gateway.sas.put_resident(sa(id)));
    for (std::uint64_t id = 1; id <= 8; ++id) ASSERT_TRUE(gateway.sas.put(sa(id)));
  }
  Shared::Gateway next(shared, true);
  ASSERT_EQ(next.sas.former_residents().size(), 20u);
  EXPECT_EQ(*next.sas.former_residents().at(SaId{12}), sa(12));
  EXPECT_EQ(next.sas.start_of(sa(12)).next_sequence, std::uint64_t{1} << 32)
      << "the data path must not go on with it";
  next.sas.keep(SaId{12});
  for (std::uint64_t id = 1; id <= 8; ++id) ASSERT_TRUE(next.sas.put(sa(id)));
  next.sas.forget_former();
  EXPECT_EQ(next.journal.keys(RecordKind::kSa).size(), 9u) << "what was not taken up is forgotten";
  EXPECT_TRUE(next.sas.former_residents().empty());
  EXPECT_TRUE(next.sas.is_former(SaId{13})) << "nor may it ever begin anew";
  EXPECT_EQ(next.sas.start_of(sa(13)).next_sequence, std::uint64_t{1} << 32);
  EXPECT_FALSE(next.sas.is_former(SaId{31}));
}

TEST(SaJournal, WhatTheDataPathLostInAnAdoptionNeverBeginsAnew) {
  Shared shared;
  {
    Shared::Gateway gateway(shared);
    ASSERT_TRUE(gateway.sas.put(sa(1)));
  }
  Shared::Gateway next(shared, true);
  next.sas.erase(SaId{1});  // it could not be installed
  next.sas.must_not_begin(SaId{2});
  next.sas.forget_former();
  for (const std::uint64_t id : {1, 2}) {
    ASSERT_TRUE(next.sas.put(sa(id)));
    EXPECT_EQ(next.sas.start_of(sa(id)).next_sequence, std::uint64_t{1} << 32) << id;
  }
}

TEST(SaJournal, WhatTheGuardReadsIsWhatWasPut) {
  Shared shared;
  Shared::Gateway gateway(shared);
  ASSERT_TRUE(gateway.sas.put(sa(1)));
  ASSERT_TRUE(gateway.sas.put(PolicySpec{.id = PolicyId{3}, .name = "late", .order = 9, .tunnel = {}}));
  ASSERT_TRUE(gateway.sas.put(PolicySpec{.id = PolicyId{4}, .name = "early", .order = 2, .tunnel = {}}));
  const Wanted wanted = read_wanted(Journal(shared.memory));
  ASSERT_EQ(wanted.sas.size(), 1u);
  EXPECT_EQ(wanted.sas[0].sa, sa(1));
  EXPECT_EQ(wanted.sas[0].lease, gateway.lease(1));
  ASSERT_EQ(wanted.policies.size(), 2u);
  EXPECT_EQ(wanted.policies[0].name, "early");
}

}  // namespace
}  // namespace simplon::ctrl

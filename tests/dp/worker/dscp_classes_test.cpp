// SPDX-License-Identifier: Apache-2.0
// Several SAs of one entry, by the DSCP of its packets (RFC 4301 §4.1).
#include <gtest/gtest.h>

#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

constexpr std::uint8_t kEf = 46, kAf41 = 34, kCs1 = 8;

class DscpClassesTest : public testing::Test {
 protected:
  DscpClassesTest() {
    policy_.classes.count = 3;
    policy_.classes.of[kEf] = 1;
    policy_.classes.of[kAf41] = 2;
    set(policy_);
  }
  void set(const PolicySpec& policy) {
    EXPECT_TRUE(left.registry().add_policy(policy));
    EXPECT_TRUE(left.registry().commit());
  }
  void add(std::uint64_t id, std::uint8_t dscp_class) {
    SaOptions o;
    o.id = id;
    o.spi = Spi{static_cast<std::uint32_t>(0x1000 + id)};
    o.selectors = policy_.selectors;
    SaSpec sa = *make_sa(Direction::kOut, o);
    sa.dscp_class = dscp_class;
    ASSERT_TRUE(left.registry().add_sa(std::make_shared<const SaSpec>(std::move(sa))));
  }
  // The SA that a packet of this DSCP leaves by; 0: none.
  std::uint64_t by(std::uint8_t dscp) {
    const auto out =
        left.pass(udp4("198.18.1.10", "198.18.2.10", 40, static_cast<std::uint8_t>(dscp << 2 | 1)),
                  Origin::kProtected, kLan);
    return out.size() == 1 ? load_be32(ip_of(out[0]).data() + kIpv4Bytes) - 0x1000 : 0;
  }

  Lab left{0, true};
  PolicySpec policy_{.id = PolicyId{1},
                     .order = 10,
                     .action = Action::kProtect,
                     .selectors = selectors("198.18.1.0/24", "198.18.2.0/24")};
};

TEST_F(DscpClassesTest, EachClassHasAnSaOfItsOwn) {
  add(1, 0), add(2, 1), add(3, 2);
  EXPECT_EQ(by(0), 1u);
  EXPECT_EQ(by(kEf), 2u);
  EXPECT_EQ(by(kAf41), 3u);
  EXPECT_EQ(by(kCs1), 1u) << "the rest";
  const auto hits = left.registry().hits().entries.at(PolicyId{1});
  EXPECT_EQ(hits, (HitCounts{.out = 4}));
}

TEST_F(DscpClassesTest, OfIpv6TheTrafficClassCounts) {
  policy_.selectors = selectors("2001:db8:a::/64", "2001:db8:b::/64");
  set(policy_);
  add(1, 0), add(2, 1);
  Buffer packet = udp6("2001:db8:a::10", "2001:db8:b::10");
  store_be16(packet.data(), static_cast<std::uint16_t>(0x6000 | kEf << 6));
  EXPECT_EQ(left.pass(packet, Origin::kProtected, kLan).size(), 1u);
  EXPECT_EQ(left.registry().counters(SaId{2})->packets, 1u);
}

TEST_F(DscpClassesTest, AClassWithoutAnSaUsesThatOfClass0) {
  add(1, 0);
  EXPECT_EQ(by(kEf), 1u);
  add(2, 1);
  EXPECT_EQ(by(kEf), 2u);
  left.registry().remove_sa(SaId{2});
  EXPECT_EQ(by(kEf), 1u);
  EXPECT_EQ(left.dropped(Drop::kNoSa), 0u);
}

TEST_F(DscpClassesTest, ThatTrafficAsksForItsOwn) {
  add(1, 0);
  EXPECT_EQ(by(0), 1u);
  EXPECT_TRUE(left.events().empty()) << "class 0 has its own";
  EXPECT_EQ(by(kEf), 1u);
  EXPECT_EQ(by(kEf), 1u) << "once a second";
  const auto events = left.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, WorkerEvent::Kind::kAcquire);
  EXPECT_EQ(events[0].policy, PolicyId{1});
  EXPECT_EQ(events[0].source, *IpAddress::parse("198.18.1.10"));
}

TEST_F(DscpClassesTest, WhatAsksForItsOwnHoldsNobodyBackWhoHasNone) {
  add(1, 0);
  EXPECT_EQ(by(kEf), 1u);
  EXPECT_EQ(left.events().size(), 1u);
  left.registry().remove_sa(SaId{1});
  EXPECT_EQ(by(kEf), 0u);
  EXPECT_EQ(left.events().size(), 1u) << "in the same second";
  EXPECT_EQ(by(kEf), 0u);
  EXPECT_TRUE(left.events().empty()) << "of each once a second";
}

TEST_F(DscpClassesTest, WithoutClass0ItsTrafficAsksForAnSa) {
  add(2, 1);
  EXPECT_EQ(by(kEf), 2u);
  EXPECT_EQ(by(0), 0u);
  EXPECT_EQ(left.dropped(Drop::kNoSa), 1u);
  const auto events = left.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, WorkerEvent::Kind::kAcquire);
  EXPECT_EQ(events[0].policy, PolicyId{1});
}

TEST_F(DscpClassesTest, ARekeyedClassKeepsItsPlace) {
  add(1, 0), add(2, 1);
  add(4, 1);
  EXPECT_EQ(by(kEf), 4u);
  EXPECT_EQ(by(0), 1u);
  left.registry().remove_sa(SaId{2});
  EXPECT_EQ(by(kEf), 4u);
}

TEST_F(DscpClassesTest, APolicyMayLoseAndGainClasses) {
  add(1, 0), add(2, 1);
  PolicySpec plain = policy_;
  plain.classes = {};
  set(plain);
  EXPECT_EQ(by(kEf), 1u);
  set(policy_);
  EXPECT_EQ(by(kEf), 2u);
  left.registry().remove_sa(SaId{1});
  left.registry().remove_sa(SaId{2});
  left.registry().remove_policy(PolicyId{1});
  ASSERT_TRUE(left.registry().commit());
  left.worker().turn();
  left.registry().collect();
  EXPECT_EQ(by(kEf), 0u);
  EXPECT_EQ(left.dropped(Drop::kNoPolicy), 1u);
}

}  // namespace
}  // namespace simplon::dp::test

// SPDX-License-Identifier: Apache-2.0
// Ports with an SPD of their own (RFC 4301 §4.4.1): two customers with the same addresses, on two ports.
#include <gtest/gtest.h>

#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

constexpr PortIndex kRed{0}, kBlue{1}, kPlain{2}, kOut{3};

class PortSpdsTest : public testing::Test {
 protected:
  PortSpdsTest()
      : quiescence_(1),
        registry_(*Shared::get().crypto, quiescence_, 1,
                  {{Mac{2, 0, 0, 0, 0, 1}, Side::kProtected, 1500, "red"},
                   {Mac{2, 0, 0, 0, 0, 2}, Side::kProtected, 1500, "blue"},
                   {Mac{2, 0, 0, 0, 0, 3}, Side::kProtected, 1500},
                   {Mac{2, 0, 0, 0, 0, 4}, Side::kUnprotected, 1500}}) {
    quiescence_.online(0);
    registry_.set_network(
        {.addresses = {{*IpAddress::parse("198.51.100.1"), kOut}},
         .routes = {{*Prefix::parse("0.0.0.0/0"), *IpAddress::parse("198.51.100.254"), kOut}}});
  }
  ~PortSpdsTest() override { quiescence_.offline(0); }
  Result<void> add(std::uint32_t id, const char* spd, Action action = Action::kProtect) {
    auto done = registry_.add_policy({.id = PolicyId{id},
                                      .order = id,
                                      .action = action,
                                      .selectors = selectors("198.18.1.0/24", "198.18.2.0/24"),
                                      .spd = spd});
    EXPECT_TRUE(registry_.commit());
    return done;
  }
  Decision by(PortIndex port) {
    const bool out = port != kOut;
    return decide(*registry_.tables().read(),
                  {.source = *IpAddress::parse(out ? "198.18.1.1" : "198.18.2.1"),
                   .destination = *IpAddress::parse(out ? "198.18.2.1" : "198.18.1.1"),
                   .protocol = kTcp,
                   .origin = out ? Origin::kProtected : Origin::kUnprotected,
                   .port = port});
  }
  PolicyId policy_of(const Decision& d) {
    EXPECT_EQ(d.kind, Decision::Kind::kProtect);
    return (*registry_.tables().read()->outbound)[d.index].policy;
  }

  Quiescence quiescence_;
  Registry registry_;
};

TEST_F(PortSpdsTest, OneFlowGoesByTwoTunnelsFromTwoPorts) {
  ASSERT_TRUE(add(1, "red") && add(2, "blue"));
  EXPECT_EQ(policy_of(by(kRed)), PolicyId{1});
  EXPECT_EQ(policy_of(by(kBlue)), PolicyId{2});
  EXPECT_EQ(by(kPlain), Decision::drop(Drop::kNoPolicy)) << "the common SPD has no entry";
  ASSERT_TRUE(add(3, ""));
  EXPECT_EQ(policy_of(by(kPlain)), PolicyId{3});
  EXPECT_EQ(policy_of(by(kRed)), PolicyId{1}) << "which is not asked about the others";
}

TEST_F(PortSpdsTest, AnSpdWithoutEntriesDiscards) {
  ASSERT_TRUE(add(3, "", Action::kBypass));
  EXPECT_TRUE(by(kPlain).forwards());
  EXPECT_EQ(by(kRed), Decision::drop(Drop::kNoPolicy));
  ASSERT_TRUE(add(1, "red", Action::kBypass));
  EXPECT_TRUE(by(kRed).forwards());
  registry_.remove_policy(PolicyId{1});
  ASSERT_TRUE(registry_.commit());
  EXPECT_EQ(by(kRed), Decision::drop(Drop::kNoPolicy));
}

TEST_F(PortSpdsTest, WhatComesInIsAskedInTheSpdOfItsPort) {
  ASSERT_TRUE(add(1, "red", Action::kBypass));
  EXPECT_EQ(by(kOut), Decision::drop(Drop::kNoPolicy)) << "that port is of the common SPD";
  ASSERT_TRUE(add(3, "", Action::kDiscard));
  EXPECT_EQ(by(kOut), Decision::drop(Drop::kPolicyDiscard));
}

TEST_F(PortSpdsTest, AnSpdThatNoPortHasIsRefused) {
  const auto done = add(1, "green");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().what, "no port has the SPD 'green'");
}

}  // namespace
}  // namespace simplon::dp::test

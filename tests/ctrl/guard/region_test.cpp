// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/region.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

namespace simplon::ctrl {
namespace {

TEST(Region, WhoInheritsTheDescriptorSeesTheSame) {
  const auto guard = Region::create();
  ASSERT_TRUE(guard) << guard.error().what;
  guard->state().forwarder = Forwarder::kGateway;
  guard->leases()[5].ceiling = 77;
  guard->journal()[3] = std::byte{9};
  const auto gateway = Region::attach(dup(guard->fd()));
  ASSERT_TRUE(gateway) << gateway.error().what;
  EXPECT_EQ(gateway->state().forwarder.load(), Forwarder::kGateway);
  EXPECT_EQ(gateway->leases()[5].ceiling.load(), 77u);
  EXPECT_EQ(gateway->journal()[3], std::byte{9});
  gateway->leases()[6].floor = 8;
  EXPECT_EQ(guard->leases()[6].floor.load(), 8u);
}

TEST(Region, ItsSizeIsSealed) {
  const auto guard = Region::create();
  ASSERT_TRUE(guard);
  EXPECT_NE(ftruncate(guard->fd(), 4096), 0);
  EXPECT_NE(fcntl(guard->fd(), F_ADD_SEALS, F_SEAL_WRITE), 0);
}

TEST(Region, AnotherFileIsRefused) {
  const int small = memfd_create("small", MFD_CLOEXEC);
  const auto refused = Region::attach(small);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("not of this version"), std::string::npos);
  close(small);
}

TEST(Region, AnotherVersionIsRefused) {
  const auto guard = Region::create();
  ASSERT_TRUE(guard);
  ++guard->state().version;
  EXPECT_FALSE(Region::attach(dup(guard->fd())));
}

}  // namespace
}  // namespace simplon::ctrl

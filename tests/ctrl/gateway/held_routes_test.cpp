// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/held_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

const dp::PortIndex kWan{1}, kTun1 = dp::port_of(InterfaceId{1}), kTun2 = dp::port_of(InterfaceId{2});
const std::vector<dp::PortIndex> kOurs{kTun1, kTun2};
dp::Route route(const char* prefix, dp::PortIndex port) {
  return {*Prefix::parse(prefix), std::nullopt, port};
}

const dp::Route kFar = route("198.18.2.0/24", kTun1), kDefault = route("0.0.0.0/0", kWan);

struct Kernel {
  HeldRoutes held;
  dp::NetworkSpec network{.routes = {kDefault, kFar}, .tunnels = kOurs};
  ike::Now now{1000s};

  Kernel() {
    look();
    now += 20s;
    EXPECT_THAT(look(), IsEmpty());
  }
  // What is kept beyond the kernel's own.
  std::vector<dp::Route> look() {
    const dp::NetworkSpec all = held.with_held(network, kOurs, now);
    EXPECT_GE(all.routes.size(), network.routes.size());
    return {all.routes.begin() + static_cast<std::ptrdiff_t>(network.routes.size()), all.routes.end()};
  }
};

TEST(HeldRoutes, OfAnInterfaceThatIsDownStay) {
  Kernel k;
  k.network = {.routes = {kDefault}, .tunnels = {kTun2}};
  EXPECT_THAT(k.look(), ElementsAre(kFar));
  EXPECT_EQ(k.held.held(kTun1), 1u);
  EXPECT_EQ(k.held.deadline(), std::nullopt) << "for as long as it is down";
  k.now += 3600s;
  EXPECT_THAT(k.look(), ElementsAre(kFar));
}

TEST(HeldRoutes, StayUntilTheInterfaceThatIsUpAgainHadTimeToGetThem) {
  Kernel k;
  k.network = {.routes = {kDefault}, .tunnels = {kTun2}};
  k.look();
  k.network.tunnels = kOurs;
  EXPECT_THAT(k.look(), ElementsAre(kFar));
  ASSERT_TRUE(k.held.deadline());
  k.now = *k.held.deadline();
  EXPECT_THAT(k.look(), IsEmpty());
  EXPECT_EQ(k.held.deadline(), std::nullopt);
}

TEST(HeldRoutes, GiveWayToTheKernelsOwn) {
  Kernel k;
  k.network = {.routes = {kDefault, route("198.18.2.0/24", kTun2)}, .tunnels = {kTun2}};
  EXPECT_THAT(k.look(), IsEmpty()) << "moved to the other tunnel";
  k.network.routes = {kDefault, route("198.18.0.0/15", kTun2)};
  EXPECT_THAT(k.look(), IsEmpty()) << "the wider route leads into a tunnel as well";
  k.network.tunnels = {};
  EXPECT_THAT(k.look(), ElementsAre(kFar)) << "... which is down";
}

TEST(HeldRoutes, GiveWayToAClearOneInTheirPlaceAndNotBehindThem) {
  Kernel k;
  k.network.tunnels = {kTun2};
  dp::Route clear = route("198.18.2.0/24", kWan);
  k.network.routes = {kDefault, clear};
  EXPECT_THAT(k.look(), IsEmpty()) << "put in its place";
  clear.metric = 10;
  k.network.routes = {kDefault, clear};
  EXPECT_THAT(k.look(), ElementsAre(kFar)) << "stood behind it";
}

TEST(HeldRoutes, WhatIsRemovedWhileTheInterfaceIsUpIsGone) {
  Kernel k;
  k.network.routes = {kDefault};
  EXPECT_THAT(k.look(), IsEmpty());
}

TEST(HeldRoutes, OfAnInterfaceThatTheConfigurationHasNoMoreAreForgotten) {
  Kernel k;
  k.network = {.routes = {kDefault}, .tunnels = {}};
  EXPECT_THAT(k.look(), ElementsAre(kFar));
  EXPECT_THAT(k.held.with_held(k.network, {kTun2}, k.now).routes, ElementsAre(kDefault));
  EXPECT_THAT(k.look(), IsEmpty());
}

TEST(HeldRoutes, InSixAsInFour) {
  Kernel k;
  const dp::Route far = route("2001:db8:b::/64", kTun1);
  k.network.routes = {far, route("::/0", kWan)};
  k.look();
  k.network = {.routes = {route("::/0", kWan)}, .tunnels = {}};
  EXPECT_THAT(k.look(), ElementsAre(far));
}

}  // namespace
}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace simplon::ctrl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const dp::PortIndex kLan{0}, kWan{1};
IpAddress ip(const char* text) { return *IpAddress::parse(text); }

const PortAddress kOurs{kWan, ip("198.51.100.1"), 24};
const dp::Route kDefault{*Prefix::parse("0.0.0.0/0"), ip("198.51.100.254"), kWan, 0};

TEST(MissingNetwork, IsWhatTheKernelDoesNotHaveAtThisPort) {
  dp::NetworkSpec kernel{.addresses = {{kOurs.address, kWan}}, .routes = {kDefault}};
  kernel.routes[0].metric = 1024;  // the kernel chooses one where the configuration has none
  EXPECT_THAT(missing({kOurs}, {kDefault}, kernel).addresses, IsEmpty());
  EXPECT_THAT(missing({kOurs}, {kDefault}, kernel).routes, IsEmpty());

  kernel.addresses[0].port = kLan;
  kernel.routes[0].gateway = ip("198.51.100.253");
  EXPECT_THAT(missing({kOurs}, {kDefault}, kernel).addresses, ElementsAre(kOurs));
  EXPECT_THAT(missing({kOurs}, {kDefault}, kernel).routes, ElementsAre(kDefault));
  EXPECT_THAT(missing({kOurs}, {}, {}).addresses, ElementsAre(kOurs));
  EXPECT_THAT(missing({}, {}, kernel).addresses, IsEmpty()) << "what others add is theirs";
}

}  // namespace
}  // namespace simplon::ctrl

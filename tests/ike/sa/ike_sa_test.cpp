// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/ike_sa.h"

#include <type_traits>

#include "tests/ike/two_endpoints.h"

namespace simplon::ike::test {
namespace {

static_assert(!std::is_copy_constructible_v<IkeSa> && !std::is_move_constructible_v<IkeSa>);
static_assert(!std::is_copy_constructible_v<ChildSet> && !std::is_move_constructible_v<ChildSet>);

TEST(IkeSa, WhatCouldNotBeEncryptedIsNotSent) {
  const Exchanges no_exchanges{};
  Context context{Settings{}, Secret(Buffer(32, 1)), no_exchanges, {}};
  const SocketAddress here{*IpAddress::parse("198.51.100.1"), kIkePort},
      there{*IpAddress::parse("198.51.100.2"), kIkePort};
  IkeSa sa(context, IkeSaId{1}, Role::kInitiator, here, there, Now{1000s});
  sa.send(Buffer(28, 1));
  EXPECT_EQ(context.outputs.size(), 1u);
  EXPECT_FALSE(sa.failed());
  sa.send({});
  EXPECT_EQ(context.outputs.size(), 1u);
  EXPECT_EQ(context.counters.sent, 1u);
  EXPECT_TRUE(sa.failed() && context.touched.contains(sa.id())) << "the Endpoint ends it";
}

}  // namespace
}  // namespace simplon::ike::test

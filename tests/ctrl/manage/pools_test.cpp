// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/ctrl/manage/vici_socket.h"

namespace simplon::ctrl {
namespace {

using vici::Message;

AddressRange range(const char* first, const char* last) {
  return {*IpAddress::parse(first), *IpAddress::parse(last)};
}

TEST_F(ViciSocket, PoolsHaveTheirSizeAndWhoIsThere) {
  ike::Pool pool{.name = "clients",
                 .addresses = {range("198.18.64.1", "198.18.65.254"),
                               range("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff")}};
  gateway_.pools.push_back({pool,
                            {{*IpAddress::parse("198.18.64.1"), "alice", true},
                             {*IpAddress::parse("198.18.65.9"), "bob", false},
                             {*IpAddress::parse("2001:db8::7"), "alice", true}}});
  gateway_.pools.push_back(
      {ike::Pool{.name = "one", .addresses = {range("198.18.70.1", "198.18.70.1")}}, {}});
  const Message all = ask("get-pools");
  ASSERT_EQ(all.elements().size(), 3u);
  const Message& v4 = *all.section("clients.1");
  EXPECT_EQ(v4.get("base"), "198.18.64.1");
  EXPECT_EQ(v4.get("size"), "510");
  EXPECT_EQ(v4.get("online"), "1");
  EXPECT_EQ(v4.get("offline"), "1");
  EXPECT_EQ(v4.section("leases"), nullptr);
  EXPECT_EQ(all.section("clients.2")->get("size"), "18446744073709551615");
  EXPECT_EQ(all.section("one")->get("size"), "1");

  const Message one = ask("get-pools", Message().add("name", "clients").add("leases", "yes"));
  ASSERT_EQ(one.elements().size(), 2u);
  const Message& leases = *one.section("clients.1")->section("leases");
  EXPECT_EQ(leases.section("0")->get("identity"), "alice");
  EXPECT_EQ(leases.section("0")->get("status"), "online");
  EXPECT_EQ(leases.section("1")->get("address"), "198.18.65.9");
  EXPECT_EQ(leases.section("1")->get("status"), "offline");
}

}  // namespace
}  // namespace simplon::ctrl

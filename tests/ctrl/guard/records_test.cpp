// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/records.h"

#include <gtest/gtest.h>

#include "ctrl/guard/kernel_network.h"

namespace simplon::ctrl {
namespace {

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

NetworkRecord network() {
  return {.ports = {{"lan", "lan0"}, {"wan", ""}},
          .addresses = {{ip("198.18.1.1"), dp::PortIndex{0}}, {ip("2001:db8::1"), dp::PortIndex{1}}},
          .routes = {{.prefix = *Prefix::parse("198.51.100.0/24"), .gateway = {}, .port = dp::PortIndex{1}},
                     {.prefix = *Prefix::parse("0.0.0.0/0"),
                      .gateway = ip("198.51.100.9"),
                      .port = dp::PortIndex{1}},
                     {.prefix = *Prefix::parse("198.18.0.0/16"), .gateway = {}, .port = dp::PortIndex{0}}},
          .neighbours = {{ip("198.51.100.9"), dp::PortIndex{1}, {2, 0, 0, 0, 0, 9}}}};
}

TEST(GuardRecords, TheNetworkComesBack) {
  const NetworkRecord before = network();
  const auto after = read_network_record(record(before).bytes());
  ASSERT_TRUE(after);
  ASSERT_EQ(after->ports.size(), 2u);
  EXPECT_EQ(after->ports[0].interface, "lan0");
  EXPECT_EQ(after->ports[1].interface, "");
  EXPECT_EQ(after->addresses, before.addresses);
  EXPECT_EQ(after->routes, before.routes);
  EXPECT_EQ(after->neighbours, before.neighbours);
}

TEST(GuardRecords, WhereAnAdministratorHasPlacedAChildComesBack) {
  const Secret kept = record(PinsRecord{{{"sites/net", 1}, {"sites/other", 0}}});
  const auto after = read_pins_record(kept.bytes());
  ASSERT_TRUE(after);
  ASSERT_EQ(after->children.size(), 2u);
  EXPECT_EQ(after->children[0].child, "sites/net");
  EXPECT_EQ(after->children[0].in_kernel, 1);
  EXPECT_EQ(after->children[1].in_kernel, 0);
  EXPECT_FALSE(read_pins_record(kept.bytes().first(kept.bytes().size() - 1)));
}

TEST(GuardRecords, WhatNamesAPortThatIsNotThereIsNotRead) {
  NetworkRecord bad = network();
  bad.routes[0].port = dp::PortIndex{2};
  EXPECT_FALSE(read_network_record(record(bad).bytes()));
  bad = network();
  bad.addresses[0].port.reset();
  EXPECT_FALSE(read_network_record(record(bad).bytes()));
  bad = network();
  bad.neighbours[0].port = dp::PortIndex{2};
  EXPECT_FALSE(read_network_record(record(bad).bytes()));
}

TEST(GuardRecords, NoPartOfARecordIsOne) {
  SaRecord sa{.sa = {.id = SaId{7}, .spi = Spi{0x1234}}, .lease = 9};
  sa.sa.suite.encr = &kEncrs[0];
  sa.sa.encr_key = Secret(Buffer(sa.sa.suite.encr->key, 1));
  sa.sa.salt = Secret(Buffer(sa.sa.suite.encr->salt, 2));
  const Secret whole = record(sa), net = record(network());
  ASSERT_TRUE(read_sa_record(whole.bytes()));
  EXPECT_EQ(read_sa_record(whole.bytes())->lease, 9u);
  EXPECT_EQ(read_sa_record(whole.bytes())->sa, sa.sa);
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(read_sa_record(whole.bytes().first(n))) << n;
  for (std::size_t n = 0; n < net.size(); ++n) EXPECT_FALSE(read_network_record(net.bytes().first(n))) << n;
}

TEST(GuardRecords, TheWayIsThatOfTheLongestPrefix) {
  const NetworkRecord n = network();
  EXPECT_EQ(way_to(ip("198.51.100.7"), n.routes), &n.routes[0]);
  EXPECT_EQ(way_to(ip("203.0.113.1"), n.routes), &n.routes[1]);
  EXPECT_EQ(way_to(ip("198.18.77.1"), n.routes), &n.routes[2]);
  EXPECT_EQ(way_to(ip("2001:db8::2"), n.routes), nullptr);
}

}  // namespace
}  // namespace simplon::ctrl

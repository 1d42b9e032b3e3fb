// SPDX-License-Identifier: Apache-2.0
// `interface` of a connection.
#include <algorithm>

#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

constexpr std::string_view kTwo = R"(
connections:
  one:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    interface: tun1
    children:
      net: {}
  two:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.3, id: c.example}
    interface: {name: tun2, addresses: [192.0.2.1/30, "fe80::1/64", 10.0.0.1/32], mtu: 1400}
    children:
      net: {}
      web: {local_ts: 198.18.1.0/24, remote_ts: dynamic, start: trap}
routes:
  - {to: 198.18.2.0/24, port: tun1}
  - {to: 198.18.3.0/24, via: 192.0.2.2}
)";

TEST(ConfigInterface, IsReadWithItsDefaults) {
  const auto config = with(kTwo);
  ASSERT_TRUE(config) << text(config.error());
  ASSERT_THAT(config->tunnels, SizeIs(2));
  const dp::TunnelSetup &one = config->tunnels[0], &two = config->tunnels[1];
  EXPECT_EQ(one.name, "tun1");
  EXPECT_EQ(one.connection, "one");
  EXPECT_EQ(one.mtu, 0);
  EXPECT_EQ(two.name, "tun2");
  EXPECT_EQ(two.mtu, 1400);
  EXPECT_NE(one.id, two.id);
  EXPECT_EQ(std::ranges::count(config->addresses, dp::port_of(two.id), &PortAddress::port), 3);
  EXPECT_EQ(config->routes[0].port, dp::port_of(one.id));
  EXPECT_EQ(config->routes[1].port, dp::port_of(two.id)) << "by the gateway's network";
}

TEST(ConfigInterface, ItsChildrenAreOfItsSpdAndAnyToAnyByDefault) {
  const auto config = with(kTwo);
  ASSERT_TRUE(config) << text(config.error());
  const ike::ChildConfig &net = config->connections[0]->children[0],
                         &other = config->connections[1]->children[0],
                         &web = config->connections[1]->children[1];
  EXPECT_EQ(net.selectors.text(), "0.0.0.0/0 ::/0 === 0.0.0.0/0 ::/0");
  EXPECT_EQ(net.selectors, other.selectors) << "two with the same, which the interfaces tell apart";
  EXPECT_EQ(net.interface, config->tunnels[0].id);
  EXPECT_EQ(net.start, ike::StartAction::kStart) << "routing daemons need it up";
  EXPECT_EQ(web.start, ike::StartAction::kTrap);
  EXPECT_TRUE(web.selectors.remote.empty()) << "dynamic, when it says so";
  for (const ike::ChildConfig* child : {&net, &other, &web}) {
    const PolicySpec* policy = config->policy(child->policy);
    ASSERT_NE(policy, nullptr);
    EXPECT_EQ(policy->interface, child->interface);
  }
}

TEST(ConfigInterface, KeepsItsIdOverReloads) {
  PolicyIds ids;
  const std::string text = std::string(kHead) + std::string(kTwo);
  const auto first = parse_config(text, kSecrets, ids, kMachine),
             second = parse_config(text, kSecrets, ids, kMachine);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->tunnels, second->tunnels);
}

std::string with_interface(std::string_view interface, std::string_view more = "") {
  std::string out(kTwo);
  out.replace(out.find("interface: tun1"), 15, "interface: " + std::string(interface));
  return out + std::string(more);
}

TEST(ConfigInterface, WrongOnesAreRefused) {
  const std::string id = "connections.one.interface";
  for (const auto& [interface, error] :
       {std::pair{"lan", "is the name of a port"},
        {"lan0", "is an interface that port 'lan' uses"},
        {"a-very-long-name", "1 to 15 letters"},
        {"all", "1 to 15 letters"},
        {"{mtu: 1400}", "name"},
        {"{name: tun1, mtu: 1000}", "1280"},
        {"{name: tun1, colour: 1}", "unknown key"},
        {"{name: tun1, addresses: 198.18.1.9/24}", "overlaps"},
        {"{name: tun1, addresses: [192.0.2.9/32, 192.0.2.9/32]}", "twice"}}) {
    std::string yaml = with_interface(interface);
    if (std::string_view(interface).find("tun1") == std::string_view::npos)
      yaml.erase(yaml.find("  - {to: 198.18.2.0/24, port: tun1}\n"), 36);
    expect_one_error(yaml, error);
  }
  std::string twice = with_interface("tun2");
  twice.erase(twice.find("routes:"));
  EXPECT_THAT(text(with(twice).error()), HasSubstr("'tun2' is the interface of connection 'one' already"));
  expect_one_error(with_interface("tun1", "policies:\n  - {child: one/net}\n"), "routes to that decide");
}

TEST(ConfigInterface, UnnumberedOnesShareAnAddress) {
  const auto config = with(with_interface("{name: tun1, addresses: [198.18.1.1/32, 10.0.0.1/32]}"));
  EXPECT_TRUE(config) << text(config.error());
}

TEST(ConfigInterface, IsRefusedInModeKernel) {
  std::string yaml = std::string(kHead) + std::string(kTwo);
  yaml.replace(yaml.find("mode: dp"), 8, "mode: kernel");
  EXPECT_THAT(text(parse(yaml).error()), HasSubstr("is of mode 'dp'"));
}

}  // namespace
}  // namespace simplon::ctrl

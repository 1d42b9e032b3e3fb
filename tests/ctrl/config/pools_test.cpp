// SPDX-License-Identifier: Apache-2.0
// The section `pools`.
#include "ctrl/config/parts.h"
#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

struct Read {
  Pools pools;
  std::vector<std::string> errors, warnings;
};

// The section alone, with ports that have addresses.
Read read(std::string_view yaml) {
  const auto tree = parse_yaml(yaml);
  if (!tree) return {{}, {"no YAML"}, {}};
  Config config;
  config.setup.ports.push_back({.name = "lan", .side = dp::Side::kProtected});
  config.setup.ports.push_back({.name = "wan", .side = dp::Side::kUnprotected});
  config.addresses.push_back({dp::PortIndex{0}, *IpAddress::parse("198.18.1.1"), 24});
  config.addresses.push_back({dp::PortIndex{1}, *IpAddress::parse("198.18.2.1"), 24});
  Report report("config");
  Section root(Value(&*tree, tree->place, "", report));
  Read out;
  out.pools = read_pools(root.get("pools"), config);
  out.errors = report.errors();
  out.warnings = report.warnings();
  return out;
}

std::string one_error(std::string_view yaml) {
  const Read got = read(yaml);
  return got.errors.size() == 1 ? got.errors[0] : std::to_string(got.errors.size()) + " errors";
}

std::string with_pool(std::string_view keys) {
  return "pools: {clients: {addresses: [198.18.64.0/18], " + std::string(keys) + "}}\n";
}

TEST(Config, APoolIsReadWhole) {
  const Read got = read(R"(
pools:
  clients:
    addresses: [198.18.64.0/18, "2001:db8:9::/64", 198.18.200.5-198.18.200.9]
    dns: [198.18.0.1, "2001:db8::1"]
    domains: [Corp.Example., lab.example]
    subnets: [198.18.0.0/16]
    fixed: {alice@example.org: [198.18.64.5, "2001:db8:9::5"], gw.example: 198.18.200.5}
  guests: {addresses: 198.18.201.0/31}
)");
  EXPECT_THAT(got.errors, IsEmpty());
  EXPECT_THAT(got.warnings, IsEmpty());
  ASSERT_THAT(got.pools, SizeIs(2));
  const ike::Pool& clients = *got.pools.at("clients");
  EXPECT_EQ(clients.name, "clients");
  EXPECT_THAT(clients.addresses,
              ElementsAre(*AddressRange::parse("198.18.64.1-198.18.127.254"),
                          *AddressRange::parse("2001:db8:9::1-2001:db8:9::ffff:ffff:ffff:ffff"),
                          *AddressRange::parse("198.18.200.5-198.18.200.9")));
  EXPECT_THAT(clients.dns, SizeIs(2));
  EXPECT_THAT(clients.domains, ElementsAre("corp.example", "lab.example"));
  EXPECT_THAT(clients.subnets, ElementsAre(*Prefix::parse("198.18.0.0/16")));
  EXPECT_THAT(clients.fixed.at(ike::Identity::parse("ALICE@example.org")->key()), SizeIs(2));
  EXPECT_THAT(got.pools.at("guests")->addresses, ElementsAre(*AddressRange::parse("198.18.201.0/31")));
  EXPECT_THAT(read("routes: []\n").pools, IsEmpty());
}

TEST(Config, AnAddressIsOfOnePool) {
  EXPECT_THAT(one_error("pools: {a: {addresses: 198.18.64.0/24}, b: {addresses: 198.18.64.7-198.18.70.1}}\n"),
              HasSubstr("config:1:56: pools.b.addresses: overlaps 198.18.64.1-198.18.64.254 of pool 'a'"));
  EXPECT_THAT(one_error("pools: {a: {addresses: [198.18.64.0/24, 198.18.64.0/25]}}\n"),
              HasSubstr("which stands here already"));
  EXPECT_THAT(one_error("pools: {a: {addresses: 198.18.1.0/24}}\n"),
              HasSubstr("has 198.18.1.1, the address of 'lan'"));
}

TEST(Config, APoolInsideOfAProtectedNetworkIsWarnedOf) {
  const auto warnings = [](const std::string& range) {
    return read("pools: {a: {addresses: " + range + "}}\n").warnings;
  };
  EXPECT_THAT(warnings("198.18.1.100-198.18.1.200"),
              ElementsAre(HasSubstr("is in 198.18.1.0/24, the network of the protected port 'lan'")));
  EXPECT_THAT(warnings("198.18.2.100-198.18.2.200"), IsEmpty());
}

TEST(Config, AddressesOfAPoolAreHosts) {
  const std::pair<const char*, const char*> wrong[] = {
      {"pools: {a: {}}\n", "pools.a.addresses: is missing"},
      {"pools: {a: {addresses: }}\n", "a value is missing"},
      {"pools: {a: {addresses: []}}\n", "a value is missing"},
      {"pools: {a: {addresses: 224.0.0.0/24}}\n", "multicast"},
      {"pools: {a: {addresses: 127.0.0.0/24}}\n", "loopback"},
      {"pools: {a: {addresses: 0.0.0.0/0}}\n", "unspecified"},
      {"pools: {a: {addresses: 'ff02::/64'}}\n", "multicast"},
      {"pools: {a: {addresses: '::1'}}\n", "loopback"},
      {"pools: {a: {addresses: 198.18.64.1/18}}\n", "host bits"},
      {"pools: {a: {addresses: 198.18.64.9-198.18.64.1}}\n", "no address range"},
      {"pools: {a: {addresses: [1.0.0.1, 1.0.0.2, 1.0.0.3, 1.0.0.4, 1.0.0.5, 1.0.0.6, 1.0.0.7, 1.0.0.8, "
       "1.0.0.9, "
       "1.0.0.10, 1.0.0.11, 1.0.0.12, 1.0.0.13, 1.0.0.14, 1.0.0.15, 1.0.0.16, 1.0.0.17]}}\n",
       "more than 16"},
      {"pools: {'a b': {addresses: 198.18.64.0/24}}\n", "a name is 1 to 64"},
      {"pools: {a: {adresses: 198.18.64.0/24, addresses: 198.18.64.0/24}}\n", "did you mean 'addresses'?"},
      {"pools: [a]\n", "needs a section"}};
  for (const auto& [yaml, error] : wrong) EXPECT_THAT(one_error(yaml), HasSubstr(error)) << yaml;
}

TEST(Config, WhatAPeerIsToldIsChecked) {
  const std::pair<const char*, const char*> wrong[] = {
      {"dns: 224.0.0.1", "multicast"},
      {"dns: 198.18.64.9", "would be given to a peer"},
      {"dns: [198.18.0.1, 198.18.0.1]", "twice"},
      {"dns: ns.example", "is no IP address"},
      {"domains: corp.example", "needs 'dns'"},
      {"dns: 198.18.0.1, domains: 'a..b'", "is no domain name"},
      {"dns: 198.18.0.1, domains: [a.example, A.example.]", "twice"},
      {"subnets: 198.18.0.1/16", "host bits"},
      {"subnets: [198.18.0.0/16, 198.18.0.0/16]", "twice"}};
  for (const auto& [keys, error] : wrong) EXPECT_THAT(one_error(with_pool(keys)), HasSubstr(error)) << keys;
}

TEST(Config, AnAddressIsKeptForOneIdentity) {
  const std::pair<const char*, const char*> wrong[] = {
      {"fixed: {a@b: 198.18.0.9}", "none that pool 'clients' can give"},
      {"fixed: {a@b: 198.18.64.0}", "none that pool 'clients' can give"},
      {"fixed: {a@b: 198.18.64.9, c@d: 198.18.64.9}", "is kept already"},
      {"fixed: {a@b: [198.18.64.9, 198.18.64.9]}", "is kept already"},
      {"fixed: {a@b: 198.18.64.9, A@B: 198.18.64.10}", "written in another way"},
      {"fixed: {'%any': 198.18.64.9}", "not for every peer"},
      {"fixed: {'@#x': 198.18.64.9}", "hexadecimal"},
      {"fixed: {a@b: }", "a value is missing"},
      {"fixed: [a@b]", "needs a section"}};
  for (const auto& [keys, error] : wrong) EXPECT_THAT(one_error(with_pool(keys)), HasSubstr(error)) << keys;
}

}  // namespace
}  // namespace simplon::ctrl

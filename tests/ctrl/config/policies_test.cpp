// SPDX-License-Identifier: Apache-2.0
#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

TEST(Rfc4301_4_4_1, PoliciesKeepTheirOrderAndUnnamedChildrenFollow) {
  const auto config = with(R"(
connections:
  sites:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    children:
      one: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24}
      two: {local_ts: 198.18.1.0/24, remote_ts: 198.18.3.0/24}
policies:
  - {action: discard, name: no-telnet, local: any, remote: "any[tcp/23]", direction: out}
  - {child: sites/two}
  - {action: BYPASS, local: 198.18.1.0/24, remote: 203.0.113.0/24}
)");
  ASSERT_TRUE(config) << text(config.error());
  ASSERT_THAT(config->policies, SizeIs(4));
  EXPECT_EQ(config->policies[0].name, "no-telnet");
  EXPECT_EQ(config->policies[0].direction, PolicyDirection::kOut);
  EXPECT_THAT(config->policies[0].selectors.remote, SizeIs(2)) << "'any' is both families";
  EXPECT_EQ(config->policies[1].name, "sites/two");
  EXPECT_EQ(config->policies[2].action, Action::kBypass);
  EXPECT_EQ(config->policies[3].name, "sites/one");
  EXPECT_EQ(config->policies[3].id, config->connections[0]->children[0].policy);
  EXPECT_EQ(config->policies[3].tunnel,
            (TunnelEnds{*IpAddress::parse("198.51.100.1"), *IpAddress::parse("198.51.100.2")}));
  for (std::size_t i = 1; i < 4; ++i) EXPECT_GE(config->policies[i].order, config->policies[i - 1].order + 2);
}

TEST(Config, PolicyIdsStayAcrossReloads) {
  PolicyIds ids;
  const std::string before = std::string(kHead) + std::string(kSites);
  const auto first = parse_config(before, kSecrets, ids, kMachine);
  const auto second = parse_config(before +
                                       "      other: {local_ts: 198.18.9.0/24, remote_ts: 198.18.8.0/24}\n"
                                       "policies:\n  - {action: discard, local: any, remote: 192.0.2.0/24}\n"
                                       "  - {child: sites/other}\n",
                                   kSecrets, ids, kMachine);
  ASSERT_TRUE(first && second) << text(second.error());
  EXPECT_EQ(first->connections[0]->children[0].policy, second->connections[0]->children[0].policy);
  const PolicySpec* net = second->policy(first->policies[0].id);
  ASSERT_NE(net, nullptr);
  EXPECT_EQ(net->name, "sites/net");
  EXPECT_NE(second->policies[0].id, second->policies[1].id);
}

constexpr Wrong kWrong[] = {
    {"policies: [{action: bypas, local: any, remote: any}]\n", "did you mean 'bypass'?"},
    {"policies: [{action: bypass, local: any}]\n", "policies[0].remote: is missing"},
    {"policies: [{child: a/b}]\n", "there is no child 'a/b'"},
    {"policies: [{action: bypass, local: any, remote: 10.0.0.0/8}, {action: bypass, local: any, "
     "remote: 10.0.0.0/8}]\n",
     "the same entry stands in this list already"},
    {"policies: [{action: bypass, local: any, remote: 10.0.0.0/8[foo]}]\n", "config:7:59: not YAML: "},
    {"policies: [{action: bypass, local: any, remote: '10.0.0.0/8[foo]'}]\n", "unknown protocol"},
    {"policies: [{action: discard, local: any, remote: any, tunnel: {local: 10.0.0.1, remote: "
     "10.0.0.2}}]\n",
     "is for action protect"},
    {"policies: [{action: discard, name: '7', local: any, remote: any}]\n", "and not digits alone"},
    {"policies: [{action: discard, local: 192.0.2.0/24, remote: '2001:db8::/64'}]\n", "no family in common"},
    {"policies: [{action: discard, local: '2001:db8::/64', remote: 192.0.2.0/24}]\n", "no family in common"},
    {"policies: [{action: protect, local: any, remote: 192.0.2.0/24, tunnel: {local: 0.0.0.0, remote: "
     "10.0.0.2}}]\n",
     "policies[0].tunnel.local: '0.0.0.0' is unspecified; no tunnel ends there"},
    {"policies: [{action: protect, local: any, remote: 192.0.2.0/24, tunnel: {local: '2001:db8::1', remote: "
     "'ff02::1'}}]\n",
     "'ff02::1' is a multicast address"},
    {"policies: {action: discard}\n", "policies: needs a list"}};

TEST(ConfigPolicies, WrongEntriesAreNamed) {
  for (const Wrong& wrong : kWrong) expect_one_error(wrong.yaml, wrong.error);
}

// Behind one child, sites/net.
constexpr Wrong kWrongBesideChild[] = {
    {"policies: [{child: sites/nt}]\n", "did you mean 'sites/net'?"},
    {"policies: [{action: bypass, local: any, remote: any}]\n", "in the clear; put it before that one"}};

TEST(ConfigPolicies, WrongEntriesBesideAChildAreNamed) {
  for (const Wrong& wrong : kWrongBesideChild)
    expect_one_error(std::string(kSites) + std::string(wrong.yaml), wrong.error);
}

// One way in the clear is a leak as well.
TEST(ConfigPolicies, ABypassOfOneDirectionBeforeAChildIsAnError) {
  const auto entry = [](std::string_view direction) {
    return error_of(with(std::string(kSites) +
                         "policies: [{action: bypass, local: any, remote: any, direction: " +
                         std::string(direction) + "}]\n"));
  };
  EXPECT_THAT(entry("out"),
              HasSubstr("takes all its packets that go out in the clear; put it before that one"));
  EXPECT_THAT(entry("in"), HasSubstr("takes all its packets that come in in the clear"));
  const auto discard =
      with(std::string(kSites) + "policies: [{action: discard, local: any, remote: any, direction: out}]\n");
  ASSERT_TRUE(discard) << text(discard.error());
  EXPECT_THAT(discard->warnings, IsEmpty()) << "it lets nothing out, and the other direction is the child's";
}

constexpr std::string_view kRoad = R"(
connections:
  road:
    local: {address: 198.51.100.1, id: a.example}
    remote: {id: "%any"}
    children:
      net: {local_ts: 198.18.1.0/24}
)";

// Until the peer is there its child has no entry: the ones behind it decide.
TEST(ConfigPolicies, ABypassBehindAChildWhosePeerIsUnknownIsAWarning) {
  const auto entry = [](std::string_view list) { return with(std::string(kRoad) + std::string(list)); };
  EXPECT_THAT(entry("")->warnings, IsEmpty()) << "what nothing matches is discarded";
  EXPECT_THAT(entry("policies: [{child: road/net}, {action: bypass, local: 198.18.0.0/16, remote: "
                    "203.0.113.0/24}]\n")
                  ->warnings,
              ElementsAre(HasSubstr("policies[0].child: protects nothing until its peer")));
  EXPECT_THAT(
      entry("policies: [{child: road/net}, {action: bypass, local: 10.0.0.0/8, remote: any}]\n")->warnings,
      IsEmpty());
  EXPECT_THAT(error_of(entry("policies: [{action: bypass, local: any, remote: 0.0.0.0/0}]\n")),
              HasSubstr("put it before that one"));
}

TEST(Rfc4301_4_4_1_1, TypesAndOpaquePortsStandInPoliciesByName) {
  const auto config = with(R"(
policies:
  - {action: discard, local: any, remote: "any[icmp/redirect]"}
  - {action: bypass, local: 192.0.2.0/24, remote: "203.0.113.0/24[icmp/echo-request]"}
  - {action: discard, local: "192.0.2.0/24[udp/opaque]", remote: 203.0.113.0/24}
)");
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_EQ(config->policies[0].selectors.remote[0].ports, (PortRange{0x0500, 0x05ff}));
  EXPECT_EQ(config->policies[1].selectors.remote[0].text(), "203.0.113.0/24[icmp/echo-request]");
  EXPECT_TRUE(config->policies[2].selectors.local[0].ports.is_opaque());
}

// RFC 4301 §7: the ports of a fragment are not known, so it is OPAQUE's.
TEST(ConfigPolicies, ABypassForOpaquePortsBeforeAChildIsAnError) {
  const auto entry = [](std::string_view local) {
    return error_of(with(std::string(kSites) + "policies: [{action: bypass, local: \"" + std::string(local) +
                         "\", remote: any}]\n"));
  };
  EXPECT_THAT(entry("198.18.1.7[udp/opaque]"), HasSubstr("its fragments are not reached"));
  EXPECT_EQ(entry("203.0.113.7[udp/opaque]"), "no error");
  EXPECT_EQ(
      error_of(with(std::string(kSites) +
                    "policies: [{child: sites/net}, {action: bypass, local: \"any[udp/opaque]\", remote: "
                    "any}]\n")),
      "no error")
      << "behind it";
}

TEST(ConfigPolicies, OpaqueTypesOfTheMobilityHeaderPfpAndAggfragAreNotTheKernels) {
  const auto kernel = [](std::string_view local, std::string_view more = "") {
    return error_of(parse("gateway: {mode: kernel}\n" + std::string(kSites) + std::string(more) +
                          "policies: [{action: discard, local: \"" + std::string(local) +
                          "\", remote: any}]\n"));
  };
  EXPECT_EQ(kernel("10.0.0.0/8[icmp/echo-request]"), "no error");
  EXPECT_THAT(kernel("10.0.0.0/8[udp/opaque]"), HasSubstr("the kernel has no OPAQUE ports"));
  EXPECT_THAT(kernel("2001:db8::/32[mh/binding-update]"), HasSubstr("the Mobility Header has no types"));
  EXPECT_THAT(
      kernel("10.0.0.0/8", "      other: {local_ts: 198.18.7.0/24, remote_ts: 198.18.9.0/24, pfp: remote}\n"),
      HasSubstr("pfp is for mode 'dp'"));
  EXPECT_THAT(kernel("10.0.0.0/8",
                     "      other: {local_ts: 198.18.7.0/24, remote_ts: 198.18.9.0/24, aggfrag: prefer}\n"),
              HasSubstr("aggfrag is for mode 'dp': the kernel of Debian 12 and 13 has no AGGFRAG"));
}

TEST(ConfigPolicies, WhatTheKernelCannotSayIsAnErrorInItsMode) {
  constexpr std::string_view kText = R"(
connections:
  sites:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    children:
      net: {local_ts: "10.1.0.1-10.1.255.254[tcp/1-65534]", remote_ts: "10.2.0.1-10.2.255.254[tcp/1-65534]"}
)";
  EXPECT_THAT(error_of(parse("gateway: {mode: kernel}\n" + std::string(kText))),
              AllOf(HasSubstr("config:8:"), HasSubstr("policies in the kernel; use prefixes")));
  EXPECT_TRUE(with(kText)) << "the data path can";
}

TEST(ConfigPolicies, ABypassMayGoViaTheKernel) {
  const auto entry = [](std::string_view mode, std::string_view keys) {
    return parse("gateway: {mode: " + std::string(mode) + "}\npolicies:\n  - {" + std::string(keys) +
                 ", local: any, remote: 203.0.113.0/24}\n");
  };
  const auto kernel = with("policies: [{action: bypass, via: kernel, local: any, remote: 203.0.113.0/24}]\n");
  ASSERT_TRUE(kernel) << error_of(kernel);
  EXPECT_TRUE(kernel->policies.at(0).via_kernel);
  const auto datapath = with("policies: [{action: bypass, via: datapath, local: any, remote: any}]\n");
  ASSERT_TRUE(datapath) << error_of(datapath);
  EXPECT_FALSE(datapath->policies.at(0).via_kernel);
  ASSERT_TRUE(entry("kernel", "action: bypass, via: kernel"));
  EXPECT_FALSE(entry("kernel", "action: bypass, via: kernel")->policies.at(0).via_kernel)
      << "all is the kernel's there";
  EXPECT_THAT(error_of(with("policies: [{action: discard, via: kernel, local: any, remote: any}]\n")),
              HasSubstr("is for action bypass"));
  EXPECT_THAT(error_of(with("policies: [{action: bypass, via: wire, local: any, remote: any}]\n")),
              HasSubstr("via"));
}

TEST(ConfigPins, AChildLivesInTheDataPathInTheKernelOrWhereTheDevicesAllow) {
  const auto child = [](std::string_view mode, std::string_view keys) {
    return parse((mode == "dp" ? std::string(kHead) : "gateway: {mode: kernel}") +
                 "\nconnections:\n  sites:\n    local: {address: 198.51.100.1, id: a.example}\n"
                 "    remote: {address: 198.51.100.2, id: b.example}\n    children:\n      net: {" +
                 std::string(keys) + "}\n");
  };
  constexpr std::string_view kNets = "local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24";
  const auto pin_of = [&](std::string_view more) {
    const auto loaded = child("dp", std::string(kNets) + std::string(more));
    EXPECT_TRUE(loaded) << error_of(loaded);
    if (!loaded) return ChildPin{};
    const auto found = loaded->pins.find(loaded->policies.at(0).id);
    return found == loaded->pins.end() ? ChildPin{} : found->second;
  };
  EXPECT_EQ(pin_of(""), ChildPin{});
  EXPECT_EQ(pin_of(", placement: auto"), ChildPin{});
  EXPECT_EQ(pin_of(", placement: kernel").pin, Pin::kKernel);
  EXPECT_EQ(pin_of(", placement: dp").pin, Pin::kDataPath);
  // What the kernel cannot have stays with the data path, and cannot be pinned elsewhere.
  for (const std::string_view more : {", pfp: [remote]", ", aggfrag: require", ", dscp_classes: [[ef]]"}) {
    const ChildPin pin = pin_of(more);
    EXPECT_EQ(pin.pin, Pin::kDataPath) << more;
    EXPECT_FALSE(pin.why_not_kernel.empty()) << more;
    EXPECT_THAT(error_of(child("dp", std::string(kNets) + std::string(more) + ", placement: kernel")),
                HasSubstr("the kernel cannot have this child"))
        << more;
  }
  EXPECT_THAT(error_of(child("dp", "local_ts: 198.18.0.0/16, remote_ts: any, placement: kernel")),
              HasSubstr("on both sides"));
  EXPECT_TRUE(child("kernel", std::string(kNets) + ", placement: kernel"));
  EXPECT_THAT(error_of(child("kernel", std::string(kNets) + ", placement: dp")),
              HasSubstr("there is no data path"));
}

TEST(ConfigPolicies, ATrapInModeKernelNeedsBothOuterAddresses) {
  const auto kernel = [](std::string_view local, std::string_view start) {
    return parse("gateway: {mode: kernel}\nconnections:\n  sites:\n    local: {" + std::string(local) +
                 "id: a.example}\n    remote: {address: 198.51.100.2, id: b.example}\n    children:\n"
                 "      net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24" +
                 std::string(start) + "}\n");
  };
  EXPECT_THAT(error_of(kernel("", "")), HasSubstr("start: trap needs local.address"));
  EXPECT_TRUE(kernel("", ", start: start"));
  EXPECT_TRUE(kernel("address: 198.51.100.1, ", ""));
}

TEST(ConfigPolicies, InModeKernelADiscardThatCutsWhatIsForwardedIsAWarning) {
  const auto warnings = [](std::string_view mode, std::string_view first, std::string_view last) {
    return parse("gateway: {mode: " + std::string(mode) + "}\npolicies:\n  - {action: bypass, name: p, " +
                 std::string(first) + "}\n  - {action: discard, " + std::string(last) + "}\n")
        ->warnings;
  };
  constexpr std::string_view kNets = "local: 198.18.1.0/24, remote: 198.18.2.0/24";
  EXPECT_THAT(warnings("kernel", kNets, "local: any, remote: any"),
              ElementsAre(HasSubstr("also stops what is forwarded by BYPASS 'p'")));
  EXPECT_THAT(warnings("kernel", kNets, "local: 198.18.0.0/16, remote: 198.18.0.0/16"), SizeIs(1));
  EXPECT_THAT(warnings("kernel", kNets, "local: 198.51.100.1, remote: any"), IsEmpty());
  EXPECT_THAT(warnings("kernel", "local: any, remote: 198.18.2.0/24", "local: 198.51.100.1, remote: any"),
              IsEmpty());
}

TEST(ConfigPolicies, InModeKernelAChildWhosePeerIsUnknownIsAWarning) {
  const auto kernel = [](std::string_view list) {
    return parse("gateway: {mode: kernel}\n" + std::string(kRoad) + std::string(list));
  };
  EXPECT_THAT(kernel("")->warnings, ElementsAre(HasSubstr("own traffic to it pass in the clear")));
  EXPECT_THAT(kernel("policies: [{child: road/net}, {action: discard, local: 198.51.100.1, remote: any}]\n")
                  ->warnings,
              IsEmpty());
}

TEST(Rfc4301_4_4_1_2, AnEntryMayHaveSeveralSetsOfSelectors) {
  const auto config = with(R"(
policies:
  - name: web-and-names
    action: protect
    tunnel: {local: 198.51.100.1, remote: 198.51.100.2}
    selectors:
      - {local: 198.18.1.0/24, remote: "192.0.2.0/24[tcp/443]"}
      - {local: [198.18.2.0/24, 198.18.3.0/24], remote: "203.0.113.53[udp/53]"}
)");
  ASSERT_TRUE(config) << text(config.error());
  ASSERT_THAT(config->policies, SizeIs(1));
  EXPECT_EQ(config->policies[0].selectors.text(),
            "198.18.1.0/24 === 192.0.2.0/24[tcp/443], 198.18.2.0/24 198.18.3.0/24 === "
            "203.0.113.53/32[udp/53]");
  constexpr Wrong kWrongSets[] = {
      {"policies: [{action: bypass, local: any, selectors: [{local: any, remote: any}]}]\n",
       "policies[0].local: stands in each item of 'selectors' then"},
      {"policies: [{action: bypass, selectors: [{local: any}]}]\n",
       "policies[0].selectors[0].remote: is missing"},
      {"policies: [{action: bypass, selectors: []}]\n", "policies[0].selectors"},
      {"policies: [{action: bypass, selectors: [{local: any, remote: any}, {local: any, remote: any}]}]\n",
       "policies[0].selectors[1]: the same pair stands here twice"},
      {"policies: [{action: bypass, selectors: [{local: 192.0.2.0/24, remote: '2001:db8::/64'}]}]\n",
       "policies[0].selectors[0]: local and remote have no family in common"}};
  for (const Wrong& wrong : kWrongSets) expect_one_error(wrong.yaml, wrong.error);
}

// Behind one child, sites/net.
TEST(ConfigPolicies, ABypassThatTakesAChildsPacketsByOneOfItsSetsIsAnError) {
  expect_one_error(std::string(kSites) +
                       "policies: [{action: bypass, selectors: [{local: 192.0.2.0/24, remote: 192.0.2.0/24}, "
                       "{local: any, remote: any}]}]\n",
                   "in the clear; put it before that one");
}

constexpr std::string_view kWeb = R"(
connections:
  sites:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    children:
      web: {local_ts: 198.18.1.0/24, remote_ts: ["198.18.2.0/24[tcp/443]", "198.18.3.0/24[tcp]"], fragments: %}
)";
std::string web(std::string_view fragments) {
  std::string out(kWeb);
  return out.replace(out.find('%'), 1, fragments);
}

TEST(Rfc4301_7_2, AChildWithItsFragmentsApartHasAnotherRightBehindIt) {
  const auto config = with(web("own-sa") + R"(
policies:
  - {child: sites/web}
  - {action: bypass, local: 198.18.1.0/24, remote: 198.18.2.0/24}
)");
  ASSERT_TRUE(config) << text(config.error());
  ASSERT_THAT(config->policies, SizeIs(3));
  EXPECT_EQ(config->policies[0].name, "sites/web");
  EXPECT_EQ(config->policies[0].fragments, FragmentHandling::kOwnSa);
  EXPECT_EQ(config->policies[1].name, "sites/web-fragments");
  EXPECT_EQ(config->policies[1].fragments, FragmentHandling::kLater);
  EXPECT_EQ(simplon::text(config->policies[1].selectors.remote),
            "198.18.2.0/24[tcp/opaque] 198.18.3.0/24[tcp]");
  ASSERT_THAT(config->connections[0]->children, SizeIs(2));
  EXPECT_EQ(config->connections[0]->children[1].policy, config->policies[1].id);
  EXPECT_NE(config->policies[0].id, config->policies[1].id);
}

TEST(Rfc4301_7, WhatAnEntryCannotDoWithFragmentsIsAnError) {
  const std::string entry = "policies: [{local: 198.18.1.0/24, remote: '198.18.2.0/24[tcp/443]', ";
  const std::pair<std::string, std::string_view> wrong[] = {
      {entry + "action: bypass, fragments: own-sa}]\n",
       "fragments: is for entries that protect in tunnel mode"},
      {entry + "action: protect, fragments: any}]\n", "any is for selectors without ports"},
      {entry + "action: protect, fragments: later}]\n", "later is for opaque ports"},
      {"policies: [{local: any, remote: any, action: protect, fragments: also}]\n",
       "is for selectors with ports"}};
  for (const auto& [yaml, error] : wrong) expect_one_error(yaml, error);
  expect_one_error(web("later"), "fragments: 'later' is not allowed");
  for (const char* good : {"reassemble", "also", "drop"})
    EXPECT_EQ(with(web(good))->policies.size(), 1u) << good;
  EXPECT_EQ(with(web("also"))->policies[0].fragments, FragmentHandling::kAlso);
}

TEST(Rfc4301_7, InModeKernelFragmentsHaveOneWay) {
  const auto kernel = [](const char* fragments) {
    return error_of(
        parse("gateway: {mode: kernel}\npolicies: [{local: any, remote: 192.0.2.0/24, action: "
              "discard, fragments: " +
              std::string(fragments) + "}]\n"));
  };
  EXPECT_EQ(kernel("reassemble"), "no error");
  EXPECT_THAT(kernel("drop"), HasSubstr("the kernel has one way with fragments"));
}

TEST(Rfc4301_4_1, AChildHasClassesOfDscps) {
  constexpr std::string_view kChild = R"(
connections:
  sites:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    children:
      net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24, dscp_classes: %}
)";
  const auto child = [&](std::string_view classes) {
    std::string out(kChild);
    return out.replace(out.find('%'), 1, classes);
  };
  const auto config = with(child("[[ef, cs5], [af41, 20]]"));
  ASSERT_TRUE(config) << text(config.error());
  const DscpClasses& classes = config->policies[0].classes;
  EXPECT_EQ(classes.count, 3);
  EXPECT_EQ(classes.of[46], 1);
  EXPECT_EQ(classes.of[40], 1);
  EXPECT_EQ(classes.of[34], 2);
  EXPECT_EQ(classes.of[20], 2);
  EXPECT_EQ(classes.of[0], 0);
  EXPECT_EQ(config->connections[0]->children[0].classes, classes);
  expect_one_error(child("[[ef], [46]]"), "'46' stands in a class already");
  expect_one_error(child("[[af44]]"), "'af44' is no DSCP");
  expect_one_error(child("[[64]]"), "'64' is no DSCP");
  expect_one_error(child("[[1], [2], [3], [4], [5], [6], [7], [8]]"), "at most 7 classes");
  EXPECT_THAT(error_of(parse("gateway: {mode: kernel}\n" + child("[[ef]]"))),
              HasSubstr("dscp_classes is for mode 'dp'"));
}

constexpr std::string_view kTwoCustomers = R"(
gateway: {mode: dp, idle: relax, main_core: 0, workers: [1, 2], memory: 256MiB, buffers: 8192}
crypto: [crypto_aesni_gcm]
ports:
  - {name: red0, device: "net_af_packet0,iface=red", side: protected, spd: red}
  - {name: blue0, device: "net_af_packet1,iface=blue", side: protected, spd: blue}
  - {name: wan, device: "0000:01:00.0", side: unprotected, addresses: 198.51.100.1/24}
  - {name: other0, device: "net_af_packet2,iface=other", side: protected, spd: other}
connections:
  red:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    children:
      net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24, spd: red}
  blue:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.3}
    children:
      net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24, spd: blue}
policies:
  - {action: bypass, local: any, remote: any, spd: %}
  - {child: red/net}
)";
std::string two_customers(std::string_view spd) {
  std::string out(kTwoCustomers);
  return out.replace(out.find('%'), 1, spd);
}

TEST(Rfc4301_4_4_1, PortsMayHaveSpdsOfTheirOwnWithTheSameSelectors) {
  EXPECT_THAT(error_of(parse(two_customers("blue"))), HasSubstr("is not reached"))
      << "it takes all of blue's";
  const auto config = parse(two_customers("other"));
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_EQ(config->setup.ports[0].spd, "red");
  EXPECT_EQ(config->setup.ports[3].spd, "other");
  ASSERT_THAT(config->policies, SizeIs(3));
  EXPECT_EQ(config->policies[0].spd, "other");
  EXPECT_EQ(config->policies[1].name, "red/net");
  EXPECT_EQ(config->policies[1].spd, "red");
  EXPECT_EQ(config->policies[2].spd, "blue");
  EXPECT_EQ(config->policies[1].selectors, config->policies[2].selectors);
}

TEST(Rfc4301_4_4_1, AnSpdThatNoPortNamesIsAnError) {
  EXPECT_THAT(error_of(parse(two_customers("green"))), HasSubstr("no port has this SPD"));
}

// XFRM_MAX_DEPTH
TEST(Rfc4301_4_5, InModeKernelSixSasAreAroundEachOtherAtMost) {
  const auto nested = [](int sas, std::string_view mode) {
    std::string out = "policies:\n";
    for (int i = 1; i <= sas; ++i)
      out +=
          "  - {name: p" + std::to_string(i) + ", action: protect, " +
          (i == 1 ? "local: 192.0.2.0/24, remote: 198.51.100.0/24"
                  : "local: \"203.0.113." + std::to_string(i - 1) + "[50]\", remote: \"203.0.113.100[50]\"") +
          ", tunnel: {local: 203.0.113." + std::to_string(i) + ", remote: 203.0.113.100}" +
          (i < sas ? ", over: p" + std::to_string(i + 1) : "") + "}\n";
    return mode == "kernel" ? parse("gateway: {mode: kernel}\n" + out) : with(out);
  };
  const auto six = nested(6, "kernel");
  EXPECT_TRUE(six) << text(six.error());
  EXPECT_THAT(error_of(nested(7, "kernel")), HasSubstr("policies[0]"));
  EXPECT_THAT(error_of(nested(7, "kernel")), HasSubstr("more than 6 SAs around each other"));
  EXPECT_TRUE(nested(7, "dp"));
}

}  // namespace
}  // namespace simplon::ctrl

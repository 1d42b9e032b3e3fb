// SPDX-License-Identifier: Apache-2.0
// What a child says of its packets in tunnel mode: the words, the file, and what the kernel has of it.
#include "ctrl/config/tunnel_words.h"
#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

// The two sites, with this at the end of their child. `v6`: over IPv6.
LoadedConfig child(const std::string& more, const char* mode = "dp", bool v6 = false) {
  std::string sites(kSites);
  sites.insert(sites.rfind('}'), more.empty() ? "" : ", " + more);
  for (const std::string end : {"198.51.100.1", "198.51.100.2"})
    if (v6) sites.replace(sites.find(end), end.size(), "\"2001:db8:ffff::" + end.substr(11) + "\"");
  return std::string(mode) == "dp" ? with(sites) : parse("gateway: {mode: kernel}\n" + sites);
}

TunnelOptions options(const std::string& more) {
  const LoadedConfig config = child(more, "dp", true);
  EXPECT_TRUE(config) << text(config.error());
  if (!config) return {};
  EXPECT_THAT(config->warnings, IsEmpty()) << more;
  return config->connections[0]->children[0].tunnel;
}

TEST(Rfc2983, DscpIsCopyANumberANameOrAMap) {
  DscpMap map = copied_dscp();
  map[46] = 34, map[8] = 0;
  DscpMap others = fixed_dscp(0);
  others[46] = 46;
  EXPECT_EQ(options("").dscp, copied_dscp());
  EXPECT_EQ(options("dscp: copy").dscp, copied_dscp());
  EXPECT_EQ(options("dscp: 46").dscp, fixed_dscp(46));
  EXPECT_EQ(options("dscp: ef").dscp, fixed_dscp(46));
  EXPECT_EQ(options("dscp: [ef=af41, 8=0]").dscp, map);
  EXPECT_EQ(options("dscp: ef=ef").dscp, copied_dscp());
  EXPECT_EQ(options("dscp: [others=cs0, ef=46]").dscp, others);
  for (const DscpMap& any : {copied_dscp(), fixed_dscp(46), fixed_dscp(0), fixed_dscp(63), map, others}) {
    const auto again = parse_dscp(dscp_text(any));
    ASSERT_TRUE(again) << dscp_text(any);
    EXPECT_EQ(*again, any) << dscp_text(any);
  }
  EXPECT_EQ(dscp_text(map), "cs1=cs0,ef=af41");
  EXPECT_EQ(dscp_text(others), "ef=ef,others=cs0");
}

TEST(Rfc2983, ADscpThatIsNoneIsRefused) {
  for (const auto& [value, says] : {std::pair("64", "'64' is no DSCP"),
                                    {"best", "'best' is no DSCP"},
                                    {"[ef, af41]", "'ef' stands beside others"},
                                    {"[ef=64]", "'ef=64' is no DSCP"},
                                    {"[ef=1, 46=2]", "'46' stands here twice"},
                                    {"[others=1, others=2]", "'others' stands here twice"},
                                    {"[]", "a value is missing"}}) {
    const std::string error = error_of(child("dscp: " + std::string(value)));
    EXPECT_THAT(error, HasSubstr("children.net.dscp: ")) << value;
    EXPECT_THAT(error, HasSubstr(says)) << value;
  }
}

TEST(Rfc6040_4_1, EcnTtlAndFlowLabelAreRead) {
  EXPECT_EQ(options(""), TunnelOptions{});
  EXPECT_EQ(options("ecn: compatibility, ttl: 255, flow_label: flow"),
            (TunnelOptions{.ecn = EcnMode::kCompatibility, .ttl = 255, .flow_label = FlowLabel::kFlow}));
  EXPECT_EQ(options("ecn: normal, ttl: 1, flow_label: copy"),
            (TunnelOptions{.ttl = 1, .flow_label = FlowLabel::kCopy}));
  EXPECT_EQ(options("flow_label: zero"), TunnelOptions{});
  for (const char* wrong : {"ecn: full", "ttl: 0", "ttl: 256", "flow_label: 7"})
    EXPECT_THAT(error_of(child(wrong)), HasSubstr("children.net.")) << wrong;
}

TEST(Config, AFlowLabelOverIpv4IsWarnedOf) {
  const LoadedConfig config = child("flow_label: flow");
  ASSERT_TRUE(config);
  EXPECT_THAT(config->warnings, ElementsAre(HasSubstr("net.flow_label: is of IPv6")));
}

TEST(Config, TransportModeHasNoOuterHeader) {
  for (const char* key :
       {"dscp: 0", "ecn: compatibility", "ttl: 3", "flow_label: copy", "tfc: mtu", "dummies: 0"}) {
    const auto in_transport = [&](const char* more) {
      return with(
          "connections:\n  sites:\n    local: {address: 198.51.100.1, id: a.example}\n    remote: "
          "{address: 198.51.100.2, id: b.example}\n    children: {net: {mode: transport, " +
          std::string(more) + key + "}}\n");
    };
    EXPECT_THAT(error_of(in_transport("")), HasSubstr("is of a packet inside another one")) << key;
    EXPECT_TRUE(in_transport("transport_fallback: tunnel, ")) << key << " may become a tunnel";
  }
}

TEST(Config, WhatTheKernelCannotDoIsNamed) {
  for (const auto& [more, says] : {std::pair("dscp: ef", "net: dscp: the kernel has"),
                                   {"dscp: [ef=0]", "net: dscp: the kernel has"},
                                   {"ttl: 65", "net: ttl: is for mode 'dp'"},
                                   {"flow_label: flow", "net: flow_label: 'flow' is for mode 'dp'"},
                                   {"dummies: 1", "net: dummies: are for mode 'dp'"}}) {
    EXPECT_TRUE(child(more)) << more;
    EXPECT_THAT(error_of(child(more, "kernel", true)), HasSubstr(says)) << more;
  }
  for (const char* more : {"", "dscp: copy", "dscp: cs0", "ecn: compatibility", "ttl: 64", "flow_label: copy",
                           "tfc: mtu", "tfc: 600", "dummies: 0"}) {
    const LoadedConfig config = child(more, "kernel", true);
    ASSERT_TRUE(config) << more;
    EXPECT_THAT(config->warnings, IsEmpty()) << more;
  }
  const LoadedConfig zero = child("flow_label: zero", "kernel", true);
  ASSERT_TRUE(zero);
  EXPECT_THAT(zero->warnings, ElementsAre(HasSubstr("flow_label: in mode 'kernel' Linux copies")));
}

TEST(Rfc4303_2_7, TfcAndDummiesAreRead) {
  constexpr const char* kHidden = "dscp: 0, ecn: compatibility, dummies: 10, tfc: mtu";
  EXPECT_EQ(options("tfc: off, dummies: 0"), TunnelOptions{});
  EXPECT_EQ(options("tfc: mtu").tfc, kTfcMtu);
  EXPECT_EQ(options("tfc: 600").tfc, 600);
  EXPECT_EQ(options(kHidden).dummies, 10);
  for (const std::uint16_t tfc : {kTfcOff, kTfcMtu, std::uint16_t{600}})
    EXPECT_EQ(*parse_tfc(tfc_text(tfc)), tfc);
  for (const auto& [wrong, says] : {std::pair("tfc: 63", "net.tfc: is off, mtu, or octets from 64 to 65000"),
                                    {"tfc: 65001", "net.tfc: is off"},
                                    {"tfc: on", "net.tfc: is off"},
                                    {"dummies: 10001", "net.dummies: "},
                                    {"dummies: -1", "net.dummies: "}})
    EXPECT_THAT(error_of(child(wrong)), HasSubstr(says)) << wrong;
  for (const std::string key : {"tfc: mtu", "dummies: 1"})
    EXPECT_THAT(error_of(child("ah_proposals: [sha256], dscp: 0, ecn: compatibility, " + key)),
                HasSubstr("AH hides nothing"))
        << key;
}

TEST(Rfc4303_2_6, DummiesThatAreToldApartAreWarnedOf) {
  const auto warned = [](const std::string& more) {
    const LoadedConfig config = child("dummies: 10, " + more, "dp", true);
    EXPECT_TRUE(config) << text(config.error());
    std::string all;
    for (const std::string& warning : config->warnings) all += warning + "\n";
    return all;
  };
  const std::string good = "dscp: 0, ecn: compatibility, tfc: mtu";
  EXPECT_EQ(warned(good), "");
  EXPECT_THAT(warned("dscp: 0, ecn: compatibility"), HasSubstr("net.dummies: are told from packets"));
  EXPECT_THAT(warned("dscp: 0, ecn: compatibility, tfc: 600"), HasSubstr("or of 'tfc'"));
  EXPECT_THAT(warned("tfc: mtu"), HasSubstr("of dscp, ecn, which tells"));
  EXPECT_THAT(warned(good + ", flow_label: flow"), HasSubstr("of flow_label, which tells"));
  EXPECT_THAT(warned(good + ", df: copy"), HasSubstr("of df, which tells"));
}

}  // namespace
}  // namespace simplon::ctrl

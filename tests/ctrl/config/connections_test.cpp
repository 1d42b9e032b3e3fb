// SPDX-License-Identifier: Apache-2.0
#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

TEST(Config, DefaultsMakeATrapWithAllLifetimes) {
  const auto config = with(kSites);
  ASSERT_TRUE(config) << text(config.error());
  ASSERT_THAT(config->connections, SizeIs(1));
  const ike::Connection& c = *config->connections[0];
  EXPECT_EQ(c.rekey_time, 4h);
  EXPECT_EQ(c.dpd_delay, 30s);
  ASSERT_FALSE(c.psk.empty());
  EXPECT_EQ(c.psk.size(), 33u);
  EXPECT_FALSE(c.proposals.empty());
  ASSERT_THAT(c.children, SizeIs(1));
  EXPECT_EQ(c.children[0].start, ike::StartAction::kTrap);
  EXPECT_EQ(c.children[0].dpd, ike::DpdAction::kTrap);
  EXPECT_EQ(c.children[0].rekey.time, 1h);
  EXPECT_GT(c.children[0].life.time, 1h);
  EXPECT_NE(c.children[0].policy, PolicyId{});
  EXPECT_THAT(config->management.sockets, ElementsAre(vici::kDefaultSocket));
}

TEST(Config, EveryKeyOfAConnectionIsRead) {
  const auto config = with(R"(
connections:
  sites:
    local: {addresses: [198.51.100.1, "2001:db8::1"], id: a.example, auth: psk}
    remote: {addresses: [198.51.100.2, "2001:db8::/64"], id: b.example, port: 4500}
    auth: psk
    proposals: [aes256gcm16-prfsha384-ecp384]
    rekey_time: 1h30m
    over_time: 5m
    dpd_delay: 0
    encap: true
    mobike: false
    retransmission: {first: 200ms, longest: 2s, tries: 3}
    children:
      net:
        local_ts: [198.18.1.0/24, "2001:db8:a::/64[tcp/443]"]
        remote_ts: [198.18.2.0/24, "2001:db8:b::/64"]
        esp_proposals: aes256gcm16
        start: start
        dpd_action: clear
        close_action: trap
        rekey_time: 10m
        life_time: 11m
        rekey_bytes: 1GiB
        life_bytes: 2GiB
        rekey_packets: 1000
        life_packets: 2000
        replay_window: 1024
        df: copy
        fragment: after
        mss: 1300
)");
  ASSERT_TRUE(config) << text(config.error());
  const ike::Connection& c = *config->connections[0];
  EXPECT_THAT(c.local_addrs, SizeIs(2));
  EXPECT_EQ(c.remote_port, Port{4500});
  EXPECT_EQ(c.rekey_time, 90min);
  EXPECT_EQ(c.over_time, 5min);
  EXPECT_EQ(c.dpd_delay, 0s);
  EXPECT_TRUE(c.force_encap);
  EXPECT_FALSE(c.mobike);
  EXPECT_EQ(c.retransmission, (ike::Retransmission{200ms, 2000ms, 3}));
  const ike::ChildConfig& child = c.children[0];
  EXPECT_EQ(child.selectors.local[1].text(), "2001:db8:a::/64[tcp/443]");
  EXPECT_EQ(child.start, ike::StartAction::kStart);
  EXPECT_EQ(child.dpd, ike::DpdAction::kClear);
  EXPECT_EQ(child.close, ike::CloseAction::kTrap);
  EXPECT_EQ(child.rekey, (Lifetime{600s, ByteCount{1ull << 30}, PacketCount{1000}}));
  EXPECT_EQ(child.life, (Lifetime{660s, ByteCount{2ull << 30}, PacketCount{2000}}));
  EXPECT_EQ(child.replay_window, 1024u);
  EXPECT_EQ(child.mtu, (MtuOptions{DfBit::kCopy, Fragmentation::kAfterEsp, 1300}));
}

TEST(Rfc4301_4_4_1, PopulateFromPacketFlagsAreRead) {
  const auto pfp = [](std::string_view value) {
    const auto config = with(
        "connections:\n  sites:\n    local: {address: 198.51.100.1, id: a.example}\n    remote: {address: "
        "198.51.100.2, id: b.example}\n    children: {net: {remote_ts: \"10.0.0.0/8[tcp]\"" +
        std::string(value) + "}}\n");
    EXPECT_TRUE(config) << text(config.error());
    EXPECT_EQ(config->policies[0].pfp, config->connections[0]->children[0].pfp);
    return config->policies[0].pfp;
  };
  EXPECT_FALSE(pfp("").any());
  EXPECT_EQ(pfp(", pfp: remote"), PfpFlags{.remote = true});
  EXPECT_EQ(pfp(", pfp: [local, remote_port]"), (PfpFlags{.local = true, .remote_port = true}));
  EXPECT_EQ(pfp(", pfp: [remote, protocol, local_port]"),
            (PfpFlags{.remote = true, .protocol = true, .local_port = true}));
}

TEST(Rfc9347, AggfragOfAChildIsRead) {
  const auto child = [](const std::string& more) {
    std::string sites(kSites);
    sites.insert(sites.rfind('}'), more);
    const auto config = with(sites);
    EXPECT_TRUE(config) << text(config.error());
    return config ? config->connections[0]->children[0].aggfrag : ike::AggfragConfig{};
  };
  EXPECT_EQ(child(""), ike::AggfragConfig{});
  EXPECT_EQ(child("").use, ike::AggfragUse::kOff);
  EXPECT_EQ(child(", aggfrag: prefer"), ike::AggfragConfig{.use = ike::AggfragUse::kPrefer});
  EXPECT_EQ(
      child(", aggfrag: require, aggfrag_packet: 1000, aggfrag_rate: 5000, aggfrag_padding: false, "
            "aggfrag_congestion_control: true, aggfrag_split: false, aggfrag_window: 0, aggfrag_wait: 5ms"),
      (ike::AggfragConfig{.use = ike::AggfragUse::kRequire,
                          .split = false,
                          .congestion_control = true,
                          .packet = 1000,
                          .rate = 5000,
                          .padding = false,
                          .window = 0,
                          .wait = 5ms}));
}

TEST(Config, MssIsAutoOffOrANumber) {
  EXPECT_EQ(with(kSites)->connections[0]->children[0].mtu, MtuOptions{});
  const auto mss = [](const std::string& value) {
    std::string sites(kSites);
    sites.insert(sites.rfind('}'), ", mss: " + value);
    const auto config = with(sites);
    return config ? int{config->connections[0]->children[0].mtu.mss} : -1;
  };
  EXPECT_EQ(mss("auto"), kMssAuto);
  EXPECT_EQ(mss("off"), kMssOff);
  EXPECT_EQ(mss("28"), 28);
  EXPECT_EQ(mss("65495"), 65495);
  EXPECT_EQ(mss("65496"), -1);
}

TEST(Config, APeerOfUnknownAddressKeepsOnlyItsPlaceInTheSpd) {
  const auto config = with(R"(
connections:
  road:
    local: {address: 198.51.100.1, id: a.example}
    remote: {id: "%any"}
    children:
      net: {local_ts: 198.18.1.0/24}
)");
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_EQ(config->connections[0]->children[0].start, ike::StartAction::kNone);
  EXPECT_EQ(config->connections[0]->psk.size(), 16u) << "the entry with %any";
  ASSERT_THAT(config->policies, SizeIs(1));
  EXPECT_THAT(config->policies[0].selectors.remote, IsEmpty());
  EXPECT_FALSE(config->policies[0].tunnel);
}

TEST(Config, DynamicSelectorsAreTheTunnelsEnds) {
  const auto config = with(R"(
connections:
  host:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    children: {self: {remote_ts: dynamic}}
)");
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_THAT(config->connections[0]->children[0].selectors.local, IsEmpty());
  EXPECT_EQ(config->policies[0].selectors.text(), "198.51.100.1/32 === 198.51.100.2/32");
}

// RFC 4301 §4.5: an ESP child and the AH child around its packets.
TEST(Config, AhBesideEspIsABundle) {
  for (const char* mode : {"", ", ah_mode: tunnel"}) {
    const auto config = with(R"(
connections:
  sites:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    children:
      net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24, esp_proposals: [aes128gcm16-x25519], ah_proposals: [sha256],
            rekey_time: 10m, start: start, esn: off)" +
                             std::string(mode) + R"(}
policies:
  - {child: sites/net}
  - {action: bypass, local: 198.51.100.1, remote: any}
)");
    ASSERT_TRUE(config) << text(config.error());
    EXPECT_THAT(config->warnings, IsEmpty());
    ASSERT_THAT(config->connections[0]->children, SizeIs(2));
    const ike::ChildConfig &ah = config->connections[0]->children[0],
                           &esp = config->connections[0]->children[1];
    EXPECT_EQ(esp.name, "net");
    EXPECT_EQ(esp.protocol, IpsecProtocol::kEsp);
    EXPECT_EQ(esp.mode, SaMode::kTunnel);
    EXPECT_EQ(ah.name, "net+ah");
    EXPECT_EQ(ah.protocol, IpsecProtocol::kAh);
    EXPECT_EQ(ah.mode, *mode == '\0' ? SaMode::kTransport : SaMode::kTunnel);
    EXPECT_EQ(ah.proposals.at(0).text(), "sha256");
    EXPECT_THAT(ah.proposals.at(0).esns, ElementsAre(ike::EsnId::kOff));
    EXPECT_EQ(ah.rekey.time, 10min);
    EXPECT_EQ(ah.start, ike::StartAction::kStart);
    EXPECT_EQ(esp.other_half, ah.name);
    EXPECT_EQ(ah.other_half, esp.name);
    EXPECT_EQ(esp.over, ah.policy);
    EXPECT_EQ(ah.over, PolicyId{});
    ASSERT_THAT(config->policies, SizeIs(3));
    EXPECT_EQ(config->policies[0].over, ah.policy);
    const PolicySpec& around = config->policies[2];
    EXPECT_EQ(around.id, ah.policy);
    EXPECT_EQ(around.name, "sites/net+ah");
    EXPECT_EQ(around.selectors.text(), "198.51.100.1/32[50] === 198.51.100.2/32[50]");
    EXPECT_EQ(around.protocol, IpsecProtocol::kAh);
  }
}

TEST(Config, ABundleMayBeInTransportModeAltogether) {
  const auto config = with(R"(
connections:
  hosts:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    children: {self: {esp_proposals: [aes128gcm16-x25519], ah_proposals: [sha256], mode: transport}}
)");
  ASSERT_TRUE(config) << text(config.error());
  ASSERT_THAT(config->policies, SizeIs(2));
  for (const PolicySpec& policy : config->policies) EXPECT_EQ(policy.mode, SaMode::kTransport);
  EXPECT_EQ(config->policies[0].selectors.text(), "198.51.100.1/32 === 198.51.100.2/32");
  EXPECT_EQ(config->policies[1].selectors.text(), "198.51.100.1/32[50] === 198.51.100.2/32[50]");
  EXPECT_EQ(config->policies[0].over, config->policies[1].id);
  EXPECT_EQ(config->connections[0]->children[1].over, config->connections[0]->children[0].policy);
}

constexpr std::string_view kNested = R"(
connections:
  far:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 203.0.113.9, id: c.example}
    children:
      net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.3.0/24, over: near/around}
  near:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    children:
      around: {local_ts: 198.51.100.1, remote_ts: 203.0.113.0/24)";

TEST(Rfc4301_4_5, AChildOfAnotherConnectionMayBeAround) {
  const auto config = with(std::string(kNested) + "}\n");
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_EQ(config->connections[0]->children[0].over, config->connections[1]->children[0].policy);
  EXPECT_EQ(config->connections[0]->children[0].other_half, "") << "it comes and goes by itself";
  EXPECT_EQ(config->policies[0].over, config->policies[1].id);
}

TEST(Rfc4301_4_5, WhatIsAroundAnotherChildIsForItsPackets) {
  std::string text(kNested);
  text.replace(text.find("203.0.113.0/24"), 14, "\"203.0.113.0/24[tcp]\"");
  EXPECT_THAT(
      error_of(with(text + "}\n")),
      HasSubstr("net.over: the packets of this SA are 198.51.100.1/32[50] === 203.0.113.9/32[50], and policy "
                "'near/around', whose SAs are to be around it, is for 198.51.100.1/32 === "
                "203.0.113.0/24[tcp]"));
  EXPECT_THAT(error_of(with(std::string(kNested) + ", over: far/net}\n")),
              HasSubstr("leads back to this child"));
  EXPECT_THAT(error_of(with(std::string(kNested) + ", pfp: remote}\n")),
              HasSubstr("an SA for each packet (pfp)"));
}

TEST(Config, TransportModeAndAhOfAChild) {
  const auto config = with(R"(
connections:
  hosts:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    children:
      any: {mode: transport}
      l2tp:
        mode: transport
        transport_fallback: tunnel
        local_ts: "198.51.100.1[udp/1701]"
        remote_ts: 198.51.100.2
        ah_proposals: [sha256-x25519, sha1]
)");
  ASSERT_TRUE(config) << text(config.error());
  const ike::ChildConfig &any = config->connections[0]->children[0],
                         &l2tp = config->connections[0]->children[1];
  EXPECT_EQ(any.mode, SaMode::kTransport);
  EXPECT_EQ(any.transport_fallback, ike::TransportFallback::kFail);
  EXPECT_EQ(any.protocol, IpsecProtocol::kEsp);
  EXPECT_EQ(l2tp.transport_fallback, ike::TransportFallback::kTunnel);
  EXPECT_EQ(l2tp.protocol, IpsecProtocol::kAh);
  ASSERT_THAT(l2tp.proposals, SizeIs(2));
  EXPECT_EQ(l2tp.proposals[0].text(), "sha256-x25519");
  EXPECT_THAT(l2tp.proposals[1].esns, ElementsAre(ike::EsnId::kOn, ike::EsnId::kOff));
  ASSERT_THAT(config->policies, SizeIs(2));
  EXPECT_EQ(config->policies[0].mode, SaMode::kTransport);
  EXPECT_EQ(config->policies[1].protocol, IpsecProtocol::kAh);
  EXPECT_EQ(config->policies[1].selectors.text(), "198.51.100.1/32[udp/1701] === 198.51.100.2/32");
}

TEST(Config, AMissingSectionIsOneError) {
  const auto config = with("connections:\n  sites:\n    local: {address: 198.51.100.1, id: a.example}\n");
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error(),
              ElementsAre(HasSubstr("sites.remote: is missing"), HasSubstr("sites.children: is missing")));
}

TEST(Config, AConnectionWithoutAPeersAddressCannotStart) {
  EXPECT_THAT(error_of(with("connections:\n  road:\n    local: {address: 198.51.100.1, id: a.example}\n    "
                            "remote: {id: \"%any\"}\n"
                            "    children: {net: {local_ts: 198.18.1.0/24, start: start}}\n")),
              HasSubstr("connections.road.children.net.start: needs a peer whose address is known"));
}

TEST(Config, TwinsAreToldApart) {
  const std::string one =
      "    local: {address: 198.51.100.1, id: a.example}\n    remote: {address: 198.51.100.2, id: "
      "b.example}\n";
  EXPECT_THAT(
      error_of(with("connections:\n  x:\n" + one + "    children: {n: {remote_ts: 10.0.0.0/8}}\n  y:\n" +
                    one + "    children: {n: {remote_ts: 172.16.0.0/12}}\n")),
      HasSubstr("connections.y: has the addresses and identities of connection 'x'"));
}

// The parts of one connection that are wrong, in its section.
std::string with_connection(std::string_view wrong) {
  std::string yaml = "connections:\n  sites:\n";
  const auto line = [&](std::string_view key, std::string_view value) {
    if (wrong.find("    " + std::string(key) + ":") == std::string_view::npos)
      yaml += "    " + std::string(key) + ": " + std::string(value) + "\n";
  };
  line("local", "{address: 198.51.100.1, id: a.example}");
  line("remote", "{address: 198.51.100.2, id: b.example}");
  line("children", "{net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24}}");
  return yaml + std::string(wrong);
}

constexpr Wrong kWrong[] = {
    {"    auth: pubkye\n",
     "connections.sites.auth: 'pubkye' is not allowed; use psk, pubkey or eap; did you mean 'pubkey'?"},
    {"    proposals: []\n", "at least one proposal"},
    {"    proposals: aes128gcm16-prfsha257-x25519\n", "did you mean 'prfsha256'?"},
    {"    rekey_time: 3600\n", "did you mean '3600s'?"},
    {"    rekey_time: 1500ms\n", "finer than a second"},
    {"    encap: 1\n", "use true, false, yes or no"},
    {"    dpd_dely: 1s\n", "did you mean 'dpd_delay'?"},
    {"    retransmission: {first: 10s, longest: 1s}\n", "longest is shorter than first"},
    {"    local: {address: 198.51.100.1, id: stranger.example}\n",
     "there is no secret for stranger.example and b.example"},
    {"    local: {address: 198.51.100.1, id: \"%any\"}\n", "we must be somebody"},
    {"    local: {id: a.example, adress: 198.51.100.1}\n", "did you mean 'address'?"},
    {"    local: {address: 198.51.100.300, id: a.example}\n", "'198.51.100.300' is no IP address"},
    {"    local: {}\n", "connections.sites.local.id: is missing"},
    {"    local: {address: \"fe80::1%wan\", id: a.example}\n", "link-local addresses are not supported"},
    {"    remote: {address: \"fe80::2\", id: b.example}\n", "link-local addresses are not supported"},
    {"    remote: {addresses: [198.51.100.2, \"fe80::2%wan\"], id: b.example}\n",
     "link-local addresses are not supported"},
    {"    remote: {address: 198.51.100.2, id: \"b.*.example\"}\n", "connections.sites.remote.id: "},
    {"    remote: {address: \"2001:db8::2\", id: b.example}\n",
     "remote address 2001:db8::2/128 has no local address of its family"},
    {"    local: {addresses: [198.51.100.1, \"2001:db8::1\"], id: a.example}\n",
     "local address 2001:db8::1 has no remote address of its family"},
    {"    remote: {addresses: [198.51.100.2, \"2001:db8::2\"], id: b.example}\n",
     "remote address 2001:db8::2/128 has no local address of its family"}};

constexpr Wrong kWrongChildren[] = {
    {"    children: {}\n", "at least one child"},
    {"    children: {a/b: {local_ts: 10.0.0.0/8, remote_ts: 10.9.0.0/16}}\n", "a name is 1 to 64"},
    {"    children: {net: {local_ts: 10.0.0.0/8, remote_ts: \"2001:db8::/32\"}}\n", "no family in common"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, rekey_time: 1h, life_time: 1h}}\n",
     "life_time must be longer than rekey_time"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, rekey_bytes: 2GiB, life_bytes: 1GiB}}\n",
     "life_bytes must be longer"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, rekey_bytes: 1000}}\n", "did you mean '1000MiB'?"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, replay_window: 8}}\n", "from 32 to 65536"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, df: maybe}}\n", "use set, copy or clear"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, fragment: never}}\n", "use before or after"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, mss: large}}\n", "net.mss: is auto, off, or octets"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, mss: 20}}\n", "from 28 to 65495"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, aggfrag: yes}}\n", "use off, prefer or require"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, aggfrag_rate: 10}}\n", "write aggfrag: prefer, or require"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, aggfrag: prefer, aggfrag_packet: 100}}\n",
     "from 256 to 65535"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, aggfrag: prefer, aggfrag_padding: true}}\n",
     "add aggfrag_rate"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, aggfrag: prefer, aggfrag_congestion_control: true}}\n",
     "add aggfrag_rate"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, aggfrag: prefer, df: copy}}\n", "there is no DF to copy"},
    {"    children: {net: {mode: transport, aggfrag: prefer}}\n", "AGGFRAG is for tunnel mode of ESP"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, ah_proposals: [sha256], aggfrag: require}}\n",
     "AGGFRAG is for tunnel mode of ESP"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, esp_proposals: [aes128gcm15]}}\n",
     "did you mean 'aes128gcm16'?"},
    {"    children: {net: {remote_ts: 10.0.0.0/8}, also: {remote_ts: 10.0.0.0/8}}\n",
     "has the same selectors as child 'sites/net'"},
    {"    children: {net: {remote_ts: 10.0.0.0/8}, net: {remote_ts: 10.1.0.0/16}}\n",
     "stands here a second time"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, esp_proposals: [des-md5]}}\n",
     "net.esp_proposals[0]: des, md5: weak, and for peers that have nothing better: to use it, write legacy: "
     "allow"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, pfp: [port]}}\n",
     "use local, remote, protocol, local_port"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, pfp_limit: 4}}\n", "is for a child with pfp"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, pfp: remote, pfp_limit: 0}}\n", "pfp_limit"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, pfp: remote_port}}\n", "a port needs a protocol"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, pfp: remote, start: start}}\n", "traffic asks for each SA"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, esn: always}}\n",
     "net.esn: 'always' is not allowed; use prefer, "
     "require or off"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, start: sart}}\n", "did you mean 'start'?"},
    {"    children: {net: {mode: transprot}}\n", "did you mean 'transport'?"},
    {"    children: {net: {local_ts: 198.18.1.0/24, mode: transport}}\n",
     "net.local_ts: transport mode is for traffic between the two ends alone: name 198.51.100.1, or leave it "
     "away"},
    {"    children: {net: {remote_ts: 198.18.2.1, mode: transport}}\n",
     "net.remote_ts: transport mode is for traffic between the two ends alone: name 198.51.100.2, or leave "
     "it away"},
    {"    remote: {id: \"%any\"}\n    children: {net: {remote_ts: 198.51.100.2, mode: transport}}\n",
     "net.remote_ts: transport mode is for traffic between the two ends alone: leave it away"},
    {"    interface: tun0\n    children: {net: {mode: transport}}\n",
     "net.mode: transport mode is for traffic"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, transport_fallback: tunnel}}\n",
     "net.transport_fallback: is for mode: transport"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, ah_proposals: [sha256], esp_proposals: [aes128gcm16]}, "
     "two: {remote_ts: 172.16.0.0/12, ah_proposals: [sha256], esp_proposals: [aes128gcm16]}}\n",
     "two.ah_proposals: stands beside esp_proposals, as in child 'net': a connection has one bundle"},
    {"    interface: tun0\n    children: {net: {ah_proposals: [sha256], esp_proposals: [aes128gcm16]}}\n",
     "net.ah_proposals: stands beside esp_proposals, and a bundle has no interface"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, esp_proposals: [aes128gcm16], ah_mode: tunnel}}\n",
     "net.ah_mode: is for a child with ah_proposals and esp_proposals"},
    {"    encap: true\n    children: {net: {remote_ts: 10.0.0.0/8, ah_proposals: [sha256], esp_proposals: "
     "[aes128gcm16]}}\n",
     "net.ah_proposals: cannot be with encap: AH does not pass a NAT"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, over: sites/other}}\n",
     "net.over: there is no child 'sites/other'; use CONNECTION/CHILD"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, over: sites/net}}\n",
     "net.over: must be a child of another connection"},
    {"    encap: true\n    children: {net: {remote_ts: 10.0.0.0/8, ah_proposals: [sha256]}}\n",
     "net.ah_proposals: cannot be with encap: AH does not pass a NAT"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, ah_proposals: [aes128-sha256]}}\n",
     "net.ah_proposals[0]: 'aes128-sha256': AH enciphers nothing"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, ah_proposals: [sha265]}}\n", "did you mean 'sha256'?"},
    {"    children: {net: {remote_ts: 10.0.0.0/8, ah_proposals: [md5]}}\n",
     "net.ah_proposals[0]: md5: weak"}};

TEST(ConfigConnections, WrongKeysAreNamed) {
  for (const Wrong& wrong : kWrong) expect_one_error(with_connection(wrong.yaml), wrong.error);
}

TEST(ConfigConnections, WrongChildrenAreNamed) {
  for (const Wrong& wrong : kWrongChildren) expect_one_error(with_connection(wrong.yaml), wrong.error);
}

// What stands there with nothing in it is not what its absence means: anybody, or the tunnel's own address.
TEST(ConfigConnections, ABlankValueIsNoDefault) {
  for (const char* blank :
       {"    remote: {address: , id: b.example}\n", "    remote: {addresses: [], id: b.example}\n",
        "    local: {address: , id: a.example}\n", "    local: {addresses: [\"\"], id: a.example}\n",
        "    children: {net: {local_ts: 10.0.0.0/8, remote_ts: }}\n",
        "    children: {net: {local_ts: [], remote_ts: 10.0.0.0/8}}\n",
        "    children: {net: {local_ts: '', remote_ts: 10.0.0.0/8}}\n"})
    expect_one_error(with_connection(blank), "a value is missing");
}

// Its selectors would be the ends of its own SAs, and the packets inside are between others.
TEST(Rfc4301_4_5, WhatIsAroundAnotherChildNamesItsSelectors) {
  const auto around = [](std::string_view remote, std::string_view selectors) {
    std::string text(kNested);
    const auto change = [&](std::string_view from, std::string_view to) {
      text.replace(text.find(from), from.size(), to);
    };
    change("address: 198.51.100.2", "address: " + std::string(remote));
    change("local_ts: 198.51.100.1, remote_ts: 203.0.113.0/24", selectors);
    return with(text + "start: none}\n");
  };
  for (const std::string_view selectors : {"", "local_ts: 198.51.100.1, "})
    EXPECT_THAT(
        error_of(around("any", selectors)),
        HasSubstr("far.children.net.over: 'near/around' is for its own two ends alone, whose addresses "
                  "the file does not name"));
  EXPECT_TRUE(around("any", "local_ts: 198.51.100.1, remote_ts: 203.0.113.9, "));
  EXPECT_THAT(error_of(around("198.51.100.2", "")), HasSubstr("is for 198.51.100.1/32 === 198.51.100.2/32"));
}

}  // namespace
}  // namespace simplon::ctrl

#include "ctrl/config.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const Machine kMachine{.cores = {0, 1, 2, 3}};

constexpr std::string_view kSecrets = R"(
psks:
  - ids: [a.example, b.example]
    secret: "a-demonstration-secret-0123456789"
  - ids: [a.example, "%any"]
    secret: 0x000102030405060708090a0b0c0d0e0f
  - ids: [c.example]
    secret: 0sAAECAwQFBgcICQoLDA0ODw==
)";

constexpr std::string_view kHead = R"(
gateway: {mode: dp, idle: relax, main_core: 0, workers: [1, 2], memory: 256MiB, buffers: 8192}
crypto: [crypto_aesni_gcm, crypto_aesni_mb]
ports:
  - {name: lan, device: "net_af_packet0,iface=lan0", side: protected, addresses: [198.18.1.1/24, "2001:db8:a::1/64"]}
  - {name: wan, device: "0000:01:00.0", side: unprotected, mtu: 9000, queues: 2, mac: 02:00:00:00:00:0a, addresses: 198.51.100.1/24}
)";

constexpr std::string_view kSites = R"(
connections:
  sites:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    children:
      net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24}
)";

LoadedConfig parse(const std::string& text) {
  PolicyIds ids;
  return parse_config(text, kSecrets, ids, kMachine);
}
LoadedConfig with(std::string_view rest) { return parse(std::string(kHead) + std::string(rest)); }

// The one error of the text; several, or none, come back as a list that matches nothing.
std::string error_of(const LoadedConfig& loaded) {
  if (loaded) return "no error";
  return loaded.error().size() == 1 ? loaded.error()[0] : "several:\n" + text(loaded.error());
}

TEST(Config, PortsAndCoresBecomeTheSetup) {
  const auto config = with(kSites);
  ASSERT_TRUE(config) << text(config.error());
  const dp::Setup& setup = config->setup;
  EXPECT_EQ(setup.idle, dp::Idle::kRelax);
  EXPECT_EQ(setup.memory_mb, 256u);
  EXPECT_EQ(setup.buffers, 8192u);
  EXPECT_THAT(setup.worker_cores, ElementsAre(1, 2));
  EXPECT_THAT(setup.crypto_devices, ElementsAre("crypto_aesni_gcm", "crypto_aesni_mb"));
  ASSERT_THAT(setup.ports, SizeIs(2));
  EXPECT_EQ(setup.ports[0].name, "lan");
  EXPECT_EQ(setup.ports[0].device, "net_af_packet0,iface=lan0");
  EXPECT_EQ(setup.ports[0].side, dp::Side::kProtected);
  EXPECT_EQ(setup.ports[1].mtu, 9000);
  EXPECT_EQ(setup.ports[1].queues, 2);
  EXPECT_EQ(setup.ports[1].mac, (dp::Mac{2, 0, 0, 0, 0, 0x0a}));
  ASSERT_THAT(config->addresses, SizeIs(3));
  EXPECT_EQ(config->addresses[0].text(), "198.18.1.1/24");
  EXPECT_EQ(config->addresses[2].port, dp::PortIndex{1});
}

TEST(Config, DefaultsMakeATrapWithAllLifetimes) {
  const auto config = with(kSites);
  ASSERT_TRUE(config) << text(config.error());
  ASSERT_THAT(config->connections, SizeIs(1));
  const ike::Connection& c = *config->connections[0];
  EXPECT_EQ(c.rekey_time, 4h);
  EXPECT_EQ(c.dpd_delay, 30s);
  ASSERT_NE(c.psk, nullptr);
  EXPECT_EQ(c.psk->size(), 33u);
  EXPECT_FALSE(c.proposals.empty());
  ASSERT_THAT(c.children, SizeIs(1));
  EXPECT_EQ(c.children[0].start, ike::StartAction::kTrap);
  EXPECT_EQ(c.children[0].dpd, ike::DpdAction::kTrap);
  EXPECT_EQ(c.children[0].rekey.time, 1h);
  EXPECT_GT(c.children[0].life.time, 1h);
  EXPECT_NE(c.children[0].policy, PolicyId{});
  EXPECT_THAT(config->management.sockets, ElementsAre("/run/simplon.vici"));
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
)");
  ASSERT_TRUE(config) << text(config.error());
  const ike::Connection& c = *config->connections[0];
  EXPECT_THAT(c.local_addrs, SizeIs(2));
  EXPECT_EQ(c.remote_port, Port{4500});
  EXPECT_EQ(c.rekey_time, 90min);
  EXPECT_EQ(c.over_time, 5min);
  EXPECT_EQ(c.dpd_delay, 0s);
  EXPECT_TRUE(c.force_encap);
  EXPECT_EQ(c.retransmission, (ike::Retransmission{200ms, 2000ms, 3}));
  const ike::ChildConfig& child = c.children[0];
  EXPECT_EQ(child.selectors.local[1].text(), "2001:db8:a::/64[tcp/443]");
  EXPECT_EQ(child.start, ike::StartAction::kStart);
  EXPECT_EQ(child.dpd, ike::DpdAction::kClear);
  EXPECT_EQ(child.close, ike::CloseAction::kTrap);
  EXPECT_EQ(child.rekey, (Lifetime{600s, ByteCount{1ull << 30}, PacketCount{1000}}));
  EXPECT_EQ(child.life, (Lifetime{660s, ByteCount{2ull << 30}, PacketCount{2000}}));
  EXPECT_EQ(child.replay_window, 1024u);
}

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
  EXPECT_EQ(config->connections[0]->psk->size(), 16u) << "the entry with %any";
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

TEST(Config, SecretsMayBeHexOrBase64OfOnePeer) {
  const auto config = with(R"(
connections:
  c:
    local: {address: 198.51.100.1, id: other.example}
    remote: {address: 198.51.100.2, id: c.example}
    children: {net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24}}
)");
  ASSERT_TRUE(config) << text(config.error());
  const Bytes key = config->connections[0]->psk->bytes();
  ASSERT_THAT(key, SizeIs(16));
  for (std::uint8_t i = 0; i < 16; ++i) EXPECT_EQ(key[i], i);
}

TEST(Config, KernelModeNeedsNoPorts) {
  const auto config = parse("gateway: {mode: kernel}\n" + std::string(kSites));
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_EQ(config->mode, Mode::kKernel);
  EXPECT_THAT(config->setup.ports, IsEmpty());
}

TEST(Config, RoutesFindThePortOfTheirGateway) {
  const auto config = with(
      "routes:\n  - {to: default, via: 198.51.100.254}\n  - {to: 203.0.113.0/24, port: lan, metric: 7}\n"
      "  - {to: \"::/0\", via: fe80::1, port: wan}\n");
  ASSERT_TRUE(config) << text(config.error());
  ASSERT_THAT(config->routes, SizeIs(3));
  EXPECT_EQ(config->routes[0].port, dp::PortIndex{1});
  EXPECT_EQ(config->routes[0].prefix.text(), "0.0.0.0/0");
  EXPECT_FALSE(config->routes[1].gateway);
  EXPECT_EQ(config->routes[1].metric, 7u);
}

TEST(Config, AllErrorsAreToldAtOnceEachWithItsPlace) {
  const auto config = parse("connections:\n  broken: {locl: x, proposals: [aes128gmc16]}\nports: 7\n");
  ASSERT_FALSE(config);
  const std::string all = text(config.error());
  EXPECT_THAT(all, HasSubstr("config:2:12: connections.broken.locl: unknown key"));
  EXPECT_THAT(all, HasSubstr("did you mean 'local'?"));
  EXPECT_THAT(all,
              HasSubstr("config:2:33: connections.broken.proposals[0]: unknown algorithm 'aes128gmc16'"));
  EXPECT_THAT(all, HasSubstr("did you mean 'aes128gcm16'?"));
  EXPECT_THAT(all, HasSubstr("config:3:8: ports: needs a section with keys"));
}

TEST(Config, AMissingSectionIsOneError) {
  const auto config = with("connections:\n  sites:\n    local: {address: 198.51.100.1, id: a.example}\n");
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error(),
              ElementsAre(HasSubstr("sites.remote: is missing"), HasSubstr("sites.children: is missing")));
}

struct Wrong {
  std::string_view yaml, error;
};

// Each text has this one error.
class OneError : public testing::TestWithParam<Wrong> {};
TEST_P(OneError, IsNamed) {
  const auto config = with(GetParam().yaml);
  const std::string error = error_of(config);
  EXPECT_THAT(error, HasSubstr(GetParam().error));
  EXPECT_THAT(error, testing::StartsWith("config:"));
}

INSTANTIATE_TEST_SUITE_P(
    Sections, OneError,
    testing::Values(
        Wrong{"legacy: allow\n", "legacy: reserved for a later version"},
        Wrong{"conections: {}\n", "conections: unknown key"},
        Wrong{"log: {level: inof}\n",
              "log.level: 'inof' is not allowed; use error, warning, info or debug; did you mean 'info'?"},
        Wrong{"log: {categories: {ik: debug}}\n", "log.categories.ik: unknown key"},
        Wrong{"log: {level: debug, level: info}\n", "log.level: stands here a second time"},
        Wrong{"management: {mode: 0666}\n", "management.mode: use an octal mode"},
        Wrong{"management: {socket: relative}\n", "management.socket: the path"},
        Wrong{"management: {group: no-such-group-here}\n", "management.group: there is no group"},
        Wrong{"limits: {half_open: 99999999999999999999999}\n",
              "limits.half_open: '99999999999999999999999' is not allowed"},
        Wrong{"limits: {half_open: -1}\n", "whole number from 1"},
        Wrong{"limits: {cookie_threshold: 100, half_open: 10}\n",
              "limits: cookie_threshold must be below half_open"},
        Wrong{"limits: {retry_first: 90}\n", "did you mean '90s'?"},
        Wrong{"limits: {retry_first: 99999999999999999d}\n", "is no duration"},
        Wrong{"routes: [{to: default, via: 203.0.113.1}]\n", "is on no port's network"},
        Wrong{"routes: [{to: default, via: 198.18.1.9, port: wan}]\n", "is on no network of port 'wan'"},
        Wrong{"routes: [{to: default, via: 198.51.100.1}]\n", "is the address of port 'wan' itself"},
        Wrong{"routes: [{to: default, via: 198.51.100.9, port: wann}]\n",
              "there is no port 'wann'; did you mean 'wan'?"},
        Wrong{"routes: [{to: 10.0.0.1/8, port: wan}]\n", "did you mean '10.0.0.0/8'?"},
        Wrong{"routes: [{to: \"::/0\", via: 198.51.100.9}]\n", "must be of one family"},
        Wrong{"routes: [{to: 10.0.0.0/8}]\n", "needs 'via', 'port', or both"},
        Wrong{"routes: [{to: default}]\n", "routes[0]"},
        Wrong{"routes: [{to: 10.0.0.0/8, port: wan}, {to: 10.0.0.0/8, port: lan}]\n",
              "with this metric already"},
        Wrong{"policies: [{action: bypas, local: any, remote: any}]\n", "did you mean 'bypass'?"},
        Wrong{"policies: [{action: bypass, local: any}]\n", "policies[0].remote: is missing"},
        Wrong{"policies: [{child: a/b}]\n", "there is no child 'a/b'"},
        Wrong{"policies: [{action: bypass, local: any, remote: 10.0.0.0/8}, {action: bypass, local: any, "
              "remote: 10.0.0.0/8}]\n",
              "the same entry stands in this list already"},
        Wrong{"policies: [{action: bypass, local: any, remote: 10.0.0.0/8[foo]}]\n",
              "config:7:59: not YAML: "},
        Wrong{"policies: [{action: bypass, local: any, remote: '10.0.0.0/8[foo]'}]\n", "unknown protocol"},
        Wrong{"policies: [{action: discard, local: any, remote: any, tunnel: {local: 10.0.0.1, remote: "
              "10.0.0.2}}]\n",
              "is for action protect"},
        Wrong{"policies: {action: discard}\n", "policies: needs a list"}));

// The parts of one connection that are wrong, in its section.
class OneConnectionError : public testing::TestWithParam<Wrong> {};
TEST_P(OneConnectionError, IsNamed) {
  std::string yaml = "connections:\n  sites:\n";
  const auto line = [&](std::string_view key, std::string_view value) {
    if (GetParam().yaml.find("    " + std::string(key) + ":") == std::string_view::npos)
      yaml += "    " + std::string(key) + ": " + std::string(value) + "\n";
  };
  line("local", "{address: 198.51.100.1, id: a.example}");
  line("remote", "{address: 198.51.100.2, id: b.example}");
  line("children", "{net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24}}");
  EXPECT_THAT(error_of(with(yaml + std::string(GetParam().yaml))), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Connections, OneConnectionError,
    testing::Values(
        Wrong{"    auth: pubkey\n", "connections.sites.auth: 'pubkey' is not supported; use psk"},
        Wrong{"    proposals: []\n", "at least one proposal"},
        Wrong{"    proposals: aes128gcm16-prfsha257-x25519\n", "did you mean 'prfsha256'?"},
        Wrong{"    rekey_time: 3600\n", "did you mean '3600s'?"},
        Wrong{"    rekey_time: 1500ms\n", "finer than a second"},
        Wrong{"    encap: 1\n", "use true, false, yes or no"},
        Wrong{"    dpd_dely: 1s\n", "did you mean 'dpd_delay'?"},
        Wrong{"    retransmission: {first: 10s, longest: 1s}\n", "longest is shorter than first"},
        Wrong{"    local: {address: 198.51.100.1, id: stranger.example}\n",
              "there is no secret for stranger.example and b.example"},
        Wrong{"    local: {address: 198.51.100.1, id: \"%any\"}\n", "we must be somebody"},
        Wrong{"    local: {id: a.example, adress: 198.51.100.1}\n", "did you mean 'address'?"},
        Wrong{"    local: {address: 198.51.100.300, id: a.example}\n", "'198.51.100.300' is no IP address"},
        Wrong{"    local: {}\n", "connections.sites.local.id: is missing"},
        Wrong{"    remote: {address: \"2001:db8::2\", id: b.example}\n",
              "remote address 2001:db8::2/128 has no local address of its family"},
        Wrong{"    local: {addresses: [198.51.100.1, \"2001:db8::1\"], id: a.example}\n",
              "local address 2001:db8::1 has no remote address of its family"},
        Wrong{"    remote: {addresses: [198.51.100.2, \"2001:db8::2\"], id: b.example}\n",
              "remote address 2001:db8::2/128 has no local address of its family"},
        Wrong{"    children: {}\n", "at least one child"},
        Wrong{"    children: {a/b: {local_ts: 10.0.0.0/8, remote_ts: 10.9.0.0/16}}\n", "a name is 1 to 64"},
        Wrong{"    children: {net: {local_ts: 10.0.0.0/8, remote_ts: \"2001:db8::/32\"}}\n",
              "no family in common"},
        Wrong{"    children: {net: {remote_ts: 10.0.0.0/8, rekey_time: 1h, life_time: 1h}}\n",
              "life_time must be longer than rekey_time"},
        Wrong{"    children: {net: {remote_ts: 10.0.0.0/8, rekey_bytes: 2GiB, life_bytes: 1GiB}}\n",
              "life_bytes must be longer"},
        Wrong{"    children: {net: {remote_ts: 10.0.0.0/8, rekey_bytes: 1000}}\n", "did you mean '1000MiB'?"},
        Wrong{"    children: {net: {remote_ts: 10.0.0.0/8, replay_window: 8}}\n", "from 32 to 4096"},
        Wrong{"    children: {net: {remote_ts: 10.0.0.0/8, esp_proposals: [aes128gcm15]}}\n",
              "did you mean 'aes128gcm16'?"},
        Wrong{"    children: {net: {remote_ts: 10.0.0.0/8}, also: {remote_ts: 10.0.0.0/8}}\n",
              "has the same selectors as child 'sites/net'"},
        Wrong{"    children: {net: {remote_ts: 10.0.0.0/8}, net: {remote_ts: 10.1.0.0/16}}\n",
              "stands here a second time"},
        Wrong{"    children: {net: {remote_ts: 10.0.0.0/8, start: sart}}\n", "did you mean 'start'?"},
        Wrong{"policies: [{child: sites/nt}]\n", "did you mean 'sites/net'?"},
        Wrong{"policies: [{action: bypass, local: any, remote: any}]\n",
              "in the clear; put it before that one"}));

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

TEST(Config, PortsAreChecked) {
  const auto ports = [](const std::string& list) { return error_of(parse("ports:\n" + list)); };
  const std::string lan = "  - {name: lan, device: net_tap0, side: protected, addresses: [10.0.0.1/24]}\n";
  EXPECT_THAT(ports(lan + "  - {name: lan, device: net_tap1, side: protected}\n"),
              HasSubstr("there is a port 'lan' already"));
  EXPECT_THAT(ports(lan + "  - {name: l2, device: \"net_tap0,x=1\", side: protected}\n"),
              HasSubstr("another port has device 'net_tap0'"));
  EXPECT_THAT(ports(lan + "  - {name: l2, device: net_tap1, side: protected, addresses: 10.0.0.9/25}\n"),
              HasSubstr("overlaps 10.0.0.1/24 of port 'lan'"));
  EXPECT_THAT(ports(lan + "  - {name: l2, device: net_tap1, side: protected, addresses: 10.0.0.1/24}\n"),
              HasSubstr("has this address already"));
  EXPECT_THAT(ports("  - {name: sixteen-letters-, device: net_tap1, side: protected}\n"),
              HasSubstr("1 to 15 letters"));
  EXPECT_THAT(ports("  - {name: l, device: eth0, side: protected}\n"), HasSubstr("'eth0' is no device"));
  EXPECT_THAT(ports("  - {name: l, device: net_tap0}\n"), HasSubstr("ports[0].side: is missing"));
  EXPECT_THAT(ports("  - {name: l, device: net_tap0, side: left}\n"),
              HasSubstr("use protected or unprotected"));
  EXPECT_THAT(ports("  - {name: l, device: net_tap0, side: protected, mac: 01:00:00:00:00:00}\n"),
              HasSubstr("no unicast MAC"));
  EXPECT_THAT(ports("  - {name: l, device: net_tap0, side: protected, addresses: 10.0.0.1}\n"),
              HasSubstr("with its prefix length"));
  EXPECT_THAT(ports("  - {name: l, device: net_tap0, side: protected, addresses: 10.0.0.0/24}\n"),
              HasSubstr("no address that a port can have"));
  EXPECT_THAT(ports("  - {name: l, device: net_tap0, side: protected, mtu: 20}\n"),
              HasSubstr("from 576 to 9600"));
}

TEST(Config, CoresAreChecked) {
  const auto gateway = [](const std::string& keys) {
    return error_of(
        parse("gateway: {" + keys + "}\nports: [{name: l, device: net_tap0, side: protected}]\n"));
  };
  EXPECT_THAT(gateway("workers: [1, 9]"),
              HasSubstr("gateway.workers[1]: this process has no core 9; it may run on 0, 1, 2, 3"));
  EXPECT_THAT(gateway("workers: [1, 1]"), HasSubstr("core 1 has a worker already"));
  EXPECT_THAT(gateway("main_core: 2, workers: [1, 2]"), HasSubstr("core 2 is the main core"));
  EXPECT_EQ(gateway("main_core: 2, workers: [1, 2], idle: relax"), "no error");
  EXPECT_THAT(gateway("workers: []"), HasSubstr("at least one core"));
  EXPECT_THAT(gateway("memory: 1MiB"), HasSubstr("'1MiB' is out of range; use 64MiB to 1TiB"));
  EXPECT_THAT(gateway("mode: kernl"), HasSubstr("did you mean 'kernel'?"));
  EXPECT_THAT(error_of(parse("gateway: {mode: dp}\n")), HasSubstr("ports: is missing"));
  EXPECT_THAT(error_of(parse("gateway: {mode: kernel, workers: [1]}\n")), HasSubstr("is for mode 'dp'"));
}

TEST(Config, CryptoDevicesAreChecked) {
  const auto crypto = [](const std::string& list) {
    return error_of(parse("crypto: " + list + "\nports: [{name: l, device: net_tap0, side: protected}]\n"));
  };
  EXPECT_THAT(crypto("[crypto_aesni_mbb]"), HasSubstr("did you mean 'crypto_aesni_mb'?"));
  EXPECT_THAT(crypto("[crypto_aesni_mb, crypto_aesni_mb]"), HasSubstr("stands here twice"));
  EXPECT_EQ(crypto("[\"crypto_aesni_mb1,max_nb_queue_pairs=4\", \"0000:3d:01.0\"]"), "no error");
}

TEST(Config, SecretsAreChecked) {
  PolicyIds ids;
  const auto secrets = [&](const std::string& text) {
    return error_of(parse_config(kHead, text, ids, kMachine));
  };
  EXPECT_THAT(secrets("psks:\n  - {ids: [a, b], secret: 0x123}\n"),
              HasSubstr("secrets:2:27: psks[0].secret: begins with 0x"));
  EXPECT_THAT(secrets("psks:\n  - {ids: [a, b], secret: 0s###}\n"), HasSubstr("is no base64"));
  EXPECT_THAT(secrets("psks:\n  - {ids: [a, b, c], secret: 0x12}\n"), HasSubstr("one or two identities"));
  EXPECT_THAT(secrets("psks:\n  - {ids: [a, b], secret: x}\n  - {ids: [b, a], secret: y}\n"),
              HasSubstr("already"));
  EXPECT_THAT(secrets("psks:\n  - {ids: [a, b], secret: ''}\n"), HasSubstr("a value is missing"));
  EXPECT_THAT(secrets("pks: []\n"), HasSubstr("did you mean 'psks'?"));
}

TEST(Config, NoMessageShowsASecret) {
  PolicyIds ids;
  for (const char* secret : {"0xC0FFEE-hush", "0s*hush", "[hush, hush]", "{hush: hush}", "\"hush"}) {
    const auto config =
        parse_config(kHead, "psks:\n  - {ids: [a, b], secret: " + std::string(secret) + "}\n", ids, kMachine);
    ASSERT_FALSE(config) << secret;
    EXPECT_THAT(text(config.error()), testing::Not(HasSubstr("hush")));
  }
}

// Whatever stands in the file: an answer, with a place, and no crash.
TEST(Config, HostileTextsAreClearErrors) {
  const std::string deep(100000, '[');
  const std::string lists = [] {
    std::string out = "ports: ";
    for (int i = 0; i < 400; ++i) out += "[";
    for (int i = 0; i < 400; ++i) out += "]";
    return out;
  }();
  const std::string laughs =
      "a: &a [x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: &d [*c, *c, *c, *c]\nports: [*d, "
      "*d]\n";
  const std::string texts[] = {
      "",
      "\n",
      "#",
      "---",
      "...",
      "~",
      "null",
      "x",
      "[]",
      "[1]",
      "{",
      "}",
      "[",
      "a: b: c",
      "\t",
      "a:\tb",
      ": :",
      "? ",
      "? {a: b}\n: c\n",
      "- - - - -",
      ",",
      ", - a: b",
      "{}\n}",
      "a: b\n]",
      "&a [*a]",
      "a: *a",
      "a: *b",
      "!!binary x",
      "!x {}",
      "%YAML 9.9\n---\n",
      "%TAG\n",
      "--- {}\n--- {}\n",
      "'",
      "\"",
      "\"\\x",
      "\"\\uD800\"",
      "|",
      ">",
      "|99",
      "a: |\n b\n\tc",
      "<<: {a: b}",
      "ports: [{name: [], device: {}, side: []}]",
      "gateway: []",
      "gateway: x",
      "connections: []",
      "connections: {x: }",
      "connections: {x: 7}",
      "connections: {x: {children: {y: }}}",
      "connections: {'': {}}",
      "policies: [~, ~]",
      "policies: [[[]]]",
      "routes: [~]",
      "secrets: []",
      "log: 7",
      "management: []",
      "limits: ~",
      deep,
      lists,
      laughs,
      std::string("\0", 1),
      std::string("a: \0b", 5),
      "\xff\xfe\0\0",
      "\xef\xbb\xbf",
      "a: \xc3\x28",
      "a: \xed\xa0\x80",
      "a: \xf5\x80\x80\x80",
      "\x1b[31m: x",
      std::string(1 << 20, 'a'),
      std::string(1 << 16, '\n') + "x",
      "a: " + std::string(1 << 16, '9'),
      "connections: {" + std::string(5000, 'n') + ": {local: {address: " + std::string(5000, '1') + "}}}"};
  for (const std::string& hostile : texts) {
    PolicyIds ids;
    for (const auto& config :
         {parse_config(hostile, kSecrets, ids, kMachine), parse_config(kHead, hostile, ids, kMachine)}) {
      if (config) continue;
      ASSERT_THAT(config.error(), testing::Not(IsEmpty()));
      for (const std::string& error : config.error()) {
        EXPECT_THAT(error, testing::MatchesRegex("(config|secrets):[0-9]+:[0-9]+: .+"));
        EXPECT_LT(error.size(), 2000u);
        EXPECT_EQ(error.find('\n'), std::string::npos) << error;
      }
    }
  }
  EXPECT_FALSE(parse(laughs));
  EXPECT_FALSE(parse(deep));
  EXPECT_FALSE(parse("&a [*a]"));
  EXPECT_FALSE(parse(", - a: b"));
  EXPECT_THAT(text(parse("--- {}\n--- {}\n").error()), HasSubstr("one file is one document"));
  EXPECT_THAT(text(parse(laughs).error()), HasSubstr("anchors"));
}

// ---- files ----

class ConfigFile : public testing::Test {
 protected:
  ConfigFile() {
    char path[] = "/tmp/simplon-config-XXXXXX";
    folder_ = mkdtemp(path);
    write("secrets.yaml", std::string(kSecrets), 0600);
  }
  ~ConfigFile() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0644) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  LoadedConfig load(const std::string& path) { return load_config(path, ids_, kMachine); }
  std::string whole() const { return std::string(kHead) + std::string(kSites) + "secrets: secrets.yaml\n"; }

  std::string folder_;
  PolicyIds ids_;
};

TEST_F(ConfigFile, NamesItsSecretsRelativeToItself) {
  const auto config = load(write("gateway.yaml", whole()));
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_NE(config->connections[0]->psk, nullptr);
  EXPECT_EQ(config->file, folder_ + "/gateway.yaml");
}

TEST_F(ConfigFile, SecretsThatOthersCanReadAreRefused) {
  const std::string gateway = write("gateway.yaml", whole()), secrets = folder_ + "/secrets.yaml";
  for (const mode_t mode : {0640, 0604, 0660, 0601}) {
    chmod(secrets.c_str(), mode);
    EXPECT_THAT(error_of(load(gateway)), HasSubstr("chmod it to 0600")) << std::oct << mode;
  }
  chmod(secrets.c_str(), 0400);
  EXPECT_TRUE(load(gateway));
}

TEST_F(ConfigFile, SecretsOfAStrangerAreRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const std::string gateway = write("gateway.yaml", whole());
  ASSERT_EQ(chown((folder_ + "/secrets.yaml").c_str(), 65534, 65534), 0);
  EXPECT_THAT(error_of(load(gateway)), HasSubstr("belongs to user 65534"));
}

TEST_F(ConfigFile, MissingSecretsAreOneErrorNotOneAConnection) {
  const std::string gateway = write("gateway.yaml", whole());
  unlink((folder_ + "/secrets.yaml").c_str());
  EXPECT_THAT(error_of(load(gateway)), HasSubstr("secrets: " + folder_ + "/secrets.yaml: cannot be opened"));
}

TEST_F(ConfigFile, WithoutSecretsEachConnectionMissesItsKey) {
  EXPECT_THAT(error_of(load(write("gateway.yaml", std::string(kHead) + std::string(kSites)))),
              HasSubstr("there is no secret for"));
}

TEST_F(ConfigFile, ErrorsOfBothFilesAreTold) {
  write("secrets.yaml", "psks:\n  - {ids: [a], secret: 0x1}\n", 0600);
  const auto config = load(write("gateway.yaml", whole() + "log: {level: loud}\n"));
  ASSERT_FALSE(config);
  EXPECT_THAT(text(config.error()), HasSubstr("gateway.yaml:"));
  EXPECT_THAT(text(config.error()), HasSubstr("secrets.yaml:2:24: psks[0].secret"));
}

TEST_F(ConfigFile, WhatIsNoFileIsAnError) {
  EXPECT_THAT(error_of(load(folder_)), HasSubstr("is a directory"));
  EXPECT_THAT(error_of(load(folder_ + "/none")), HasSubstr("cannot be opened"));
  EXPECT_THAT(error_of(load("/dev/zero")), HasSubstr("is no regular file"));
  ASSERT_EQ(mkfifo((folder_ + "/fifo").c_str(), 0600), 0);
  EXPECT_THAT(error_of(load(folder_ + "/fifo")), HasSubstr("is no regular file"));
  EXPECT_THAT(error_of(load(write("empty.yaml", ""))), HasSubstr("ports: is missing"));
}

// The files that people copy work as they are, each with the example of a secrets file beside it.
TEST_F(ConfigFile, ExamplesOfTheTreeAreGood) {
  const auto conf = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "conf";
  int seen = 0;
  for (const auto& file : std::filesystem::directory_iterator(conf)) {
    const std::string copy = folder_ + "/" + file.path().filename().string();
    std::filesystem::copy_file(file.path(), copy, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(copy, std::filesystem::perms(0600));
    if (file.path().filename() == "secrets.yaml") continue;
    std::filesystem::copy_file(conf / "secrets.yaml", folder_ + "/secrets.yaml",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(folder_ + "/secrets.yaml", std::filesystem::perms(0600));
    const auto config = load(copy);
    EXPECT_TRUE(config) << text(config.error());
    EXPECT_TRUE(!config || config->warnings.empty()) << text(config->warnings);
    ++seen;
  }
  EXPECT_GE(seen, 4);
}

}  // namespace
}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

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

TEST(Config, VlansArePortsOfTheirOwn) {
  const std::string lan = "ports:\n  - {name: lan, device: net_tap0, side: protected, mtu: 1500}\n";
  const auto config =
      parse(lan +
            "  - {name: lan.7, parent: lan, vlan: 7}\n"
            "  - {name: dmz, parent: lan, vlan: 8, side: unprotected, mtu: 1400, addresses: [10.0.0.1/24]}\n"
            "  - {name: q, parent: lan, vlan: 9, tag: 802.1ad}\n"
            "  - {name: q.9, parent: q, vlan: 9}\n");
  ASSERT_TRUE(config) << text(config.error());
  const auto& ports = config->setup.ports;
  ASSERT_THAT(ports, SizeIs(5));
  EXPECT_EQ(ports[1].vlan, (dp::Vlan{dp::PortIndex{0}, 7, false}));
  EXPECT_EQ(ports[1].side, dp::Side::kProtected) << "the parent's";
  EXPECT_EQ(ports[2].side, dp::Side::kUnprotected);
  EXPECT_EQ(ports[2].mtu, 1400);
  EXPECT_EQ(ports[3].vlan, (dp::Vlan{dp::PortIndex{0}, 9, true}));
  EXPECT_EQ(ports[4].mtu, 1496) << "the second tag takes four bytes of the first one's";
  const auto error = [&](const std::string& more) { return error_of(parse(lan + more)); };
  EXPECT_THAT(error("  - {name: v, parent: wan, vlan: 7}\n"), HasSubstr("there is no port 'wan'"));
  EXPECT_THAT(error("  - {name: x, device: \"net_af_xdp0,iface=eth1\", side: protected}\n"
                    "  - {name: v, parent: x, vlan: 7}\n"),
              HasSubstr("may not see the tags"));
  EXPECT_THAT(error("  - {name: v, parent: lan}\n"), HasSubstr("vlan: is missing"));
  EXPECT_THAT(error("  - {name: v, parent: lan, vlan: 4095}\n"), HasSubstr("vlan"));
  EXPECT_THAT(error("  - {name: v, parent: lan, vlan: 0}\n"), HasSubstr("vlan"));
  EXPECT_THAT(error("  - {name: v, parent: lan, vlan: 7, mtu: 1504}\n"), HasSubstr("mtu"));
  EXPECT_THAT(error("  - {name: v, parent: lan, vlan: 7, device: net_tap1}\n"), HasSubstr("device"));
  EXPECT_THAT(
      error("  - {name: v, parent: lan, vlan: 7}\n  - {name: w, parent: lan, vlan: 7, tag: 802.1ad}\n"),
      HasSubstr("port 'v' is this VLAN already"));
  EXPECT_THAT(error("  - {name: a, parent: lan, vlan: 1}\n  - {name: b, parent: a, vlan: 2}\n"
                    "  - {name: c, parent: b, vlan: 3}\n"),
              HasSubstr("two tags at most"));
}

TEST(Config, DevicesOfBussesAreKnown) {
  const auto error = [](const std::string& device) {
    return error_of(
        parse("ports:\n  - {name: a, device: \"03:00.0\", side: protected}\n  - {name: b, device: \"" +
              device + "\", side: protected}\n"));
  };
  EXPECT_THAT(error("0000:03:00.0"), HasSubstr("another port has device"));
  EXPECT_THAT(error("8b1e5a4c-2f0d-4f0e-9c1a-0123456789ab"), Not(HasSubstr("is no device")));
  EXPECT_THAT(error("8b1e5a4c-2f0d-4f0e-9c1a-0123456789a"), HasSubstr("is no device"));
  EXPECT_THAT(error("10000:03:00.0"), Not(HasSubstr("device")));  // behind Intel's VMD
  for (const char* wrong : {"03:00.9", "03:20.0", "003:00.0", "000000000:03:00.0", "03:00.0.0"})
    EXPECT_THAT(error(wrong), HasSubstr("is no device")) << wrong;
}

std::string with_bond(const std::string& bond, const std::string& more = "") {
  return "ports:\n  - {name: lan, device: \"0000:01:00.0\", side: protected}\n  - name: wan\n    side: "
         "unprotected\n"
         "    bond: {" +
         bond + "}\n" + more;
}

TEST(Config, BondJoinsDevicesToAPort) {
  const auto config =
      parse(with_bond("mode: active-backup, members: [\"2:0.0\", \"net_tap1,iface=m1\"], primary: net_tap1",
                      "    mtu: 1400\n"));
  ASSERT_TRUE(config) << text(config.error());
  const dp::PortSetup& wan = config->setup.ports[1];
  EXPECT_EQ(wan.device, "net_bonding1");
  ASSERT_TRUE(wan.bond);
  EXPECT_EQ(wan.bond->mode, dp::Bond::Mode::kActiveBackup);
  EXPECT_THAT(wan.bond->members, ElementsAre("0000:02:00.0", "net_tap1,iface=m1"));
  EXPECT_EQ(wan.bond->primary, "net_tap1,iface=m1");
  EXPECT_EQ(wan.devices(), wan.bond->members);
  EXPECT_EQ(wan.mtu, 1400);
  const auto lacp = parse(
      with_bond("mode: 802.3ad, members: [\"2:0.0\", \"3:0.0\"], xmit_policy: l23, primary: \"3:0.0\""));
  ASSERT_TRUE(lacp) << text(lacp.error());
  EXPECT_EQ(lacp->setup.ports[1].bond->mode, dp::Bond::Mode::kLacp);
  EXPECT_EQ(lacp->setup.ports[1].bond->policy, dp::Bond::Policy::kL23);
  EXPECT_THAT(lacp->warnings, ElementsAre(HasSubstr("primary: is not used in this mode")));
}

TEST(Config, NoDeviceIsInUseTwice) {
  const auto error = [](const std::string& bond, const std::string& more = "") {
    return error_of(parse(with_bond("mode: 802.3ad, " + bond, more)));
  };
  EXPECT_THAT(error("members: [\"1:0.0\", \"2:0.0\"]"), HasSubstr("another port has device '0000:01:00.0'"));
  EXPECT_THAT(error("members: [\"2:0.0\", \"02:00.0\"]"), HasSubstr("'0000:02:00.0' stands here twice"));
  const std::string packet = "  - {name: dmz, side: protected, device: \"net_af_packet7,iface=eth1\"}\n",
                    bond = "mode: active-backup, members: [\"2:0.0\", \"net_af_packet0,iface=eth1\"]";
  EXPECT_THAT(error_of(parse(with_bond(bond, packet))), HasSubstr("port 'wan' has interface 'eth1' already"));
  EXPECT_THAT(error_of(parse(with_bond("mode: active-backup, members: [\"net_af_packet1,iface=eth1\", "
                                       "\"net_af_packet0,iface=eth1\"]"))),
              HasSubstr("stands here twice"));
  for (const char* port : {"device: \"2:0.0\"", "bond: {mode: 802.3ad, members: [\"3:0.0\", \"4:0.0\"]}"})
    EXPECT_THAT(error("members: [\"2:0.0\", \"3:0.0\"]",
                      std::string("  - {name: dmz, side: protected, ") + port + "}\n"),
                HasSubstr("another port has device '0000:0"));
}

TEST(Config, PortsNeedBuffersEach) {
  const auto load = [](unsigned vlans) {
    std::string yaml =
        "gateway: {buffers: 1024, workers: 1}\nports:\n  - {name: lan, device: net_tap0, side: protected}\n";
    for (unsigned i = 1; i <= vlans; ++i)
      yaml += "  - {name: v" + std::to_string(i) + ", parent: lan, vlan: " + std::to_string(i) + "}\n";
    return error_of(parse(yaml));
  };
  EXPECT_EQ(load(2), "no error");
  EXPECT_THAT(load(3), HasSubstr("4 ports need 'buffers' of 1280 at least"));
}

TEST(Config, BondsAreChecked) {
  const auto error = [](const std::string& bond, const std::string& more = "") {
    return error_of(parse(with_bond(bond, more)));
  };
  const std::string two = "members: [\"2:0.0\", \"3:0.0\"]";
  EXPECT_THAT(error("mode: balance-rr, " + two), HasSubstr("bond.mode"));
  EXPECT_THAT(error(two), HasSubstr("mode: is missing"));
  EXPECT_THAT(error("mode: 802.3ad"), HasSubstr("members: is missing"));
  EXPECT_THAT(error("mode: 802.3ad, members: [\"2:0.0\"]"), HasSubstr("two members at least"));
  EXPECT_THAT(error("mode: active-backup, primary: \"4:0.0\", " + two), HasSubstr("none of the members"));
  EXPECT_THAT(error("mode: 802.3ad, xmit_policy: l4, " + two), HasSubstr("xmit_policy"));
  EXPECT_THAT(error("mode: 802.3ad, " + two, "    device: net_tap3\n"), HasSubstr("the bond's members"));
  for (const char* blind :
       {"net_af_packet0,iface=eth1", "net_af_xdp0,iface=eth1", "net_pcap0,iface=eth1", "net_tap0"})
    EXPECT_THAT(error("mode: 802.3ad, members: [\"2:0.0\", \"" + std::string(blind) + "\"]"),
                HasSubstr("does not tell when it has lost its link"));
  EXPECT_THAT(error_of(parse("ports:\n  - {name: a, side: protected, device: \"net_bonding0,mode=1\"}\n")),
              HasSubstr("is made by the port's key 'bond'"));
}

TEST(Config, PortsAreChecked) {
  const auto ports = [](const std::string& list) { return error_of(parse("ports:\n" + list)); };
  const std::string lan = "  - {name: lan, device: net_tap0, side: protected, addresses: [10.0.0.1/24]}\n";
  EXPECT_THAT(ports(lan + "  - {name: lan, device: net_tap1, side: protected}\n"),
              HasSubstr("there is a port 'lan' already"));
  EXPECT_THAT(ports(lan + "  - {name: l2, device: \"net_tap0,x=1\", side: protected}\n"),
              HasSubstr("another port has device 'net_tap0'"));
  EXPECT_THAT(ports("  - {name: l1, device: \"0000:0a:00.0\", side: protected}\n"
                    "  - {name: l2, device: \"0A:0.0,x=1\", side: protected}\n"),
              HasSubstr("another port has device '0000:0a:00.0'"));
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

constexpr Wrong kWrongRoutes[] = {
    {"routes: [{to: default, via: 203.0.113.1}]\n", "is on no port's network"},
    {"routes: [{to: default, via: 198.18.1.9, port: wan}]\n", "is on no network of port 'wan'"},
    {"routes: [{to: default, via: 198.51.100.1}]\n", "is the address of port 'wan' itself"},
    {"routes: [{to: default, via: 198.51.100.9, port: wann}]\n",
     "there is no port 'wann'; did you mean 'wan'?"},
    {"routes: [{to: 10.0.0.1/8, port: wan}]\n", "did you mean '10.0.0.0/8'?"},
    {"routes: [{to: \"::/0\", via: 198.51.100.9}]\n", "must be of one family"},
    {"routes: [{to: 10.0.0.0/8}]\n", "needs 'via', 'port', or both"},
    {"routes: [{to: default}]\n", "routes[0]"},
    {"routes: [{to: 10.0.0.0/8, port: wan}, {to: 10.0.0.0/8, port: lan}]\n", "with this metric already"}};

TEST(ConfigPorts, WrongRoutesAreNamed) {
  for (const Wrong& wrong : kWrongRoutes) expect_one_error(wrong.yaml, wrong.error);
}

TEST(ConfigPorts, InterfacesThatTheKernelSharesAreFound) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(shared_interfaces("net_af_packet0,iface=eth1,qpairs=2"), Names{"eth1"});
  EXPECT_EQ(shared_interfaces("net_af_packet0,qpairs=2,iface=eth1"), Names{"eth1"});
  EXPECT_EQ(shared_interfaces("net_af_packet0,qpairs=2"), Names{});
  EXPECT_EQ(shared_interfaces("net_af_xdp0,iface=eth1,start_queue=0"), Names{"eth1"})
      << "when it ends, or crashes";
  EXPECT_EQ(shared_interfaces("net_pcap0,iface=eth1"), Names{"eth1"});
  EXPECT_EQ(shared_interfaces("net_pcap0,rx_iface=eth1,tx_iface=eth2,rx_iface_in=eth3"),
            (Names{"eth1", "eth3"}));
  EXPECT_EQ(shared_interfaces("net_pcap0,rx_pcap=/tmp/x.pcap,tx_iface=eth2"), Names{});
  EXPECT_EQ(shared_interfaces("net_tap0,iface=tap1"), Names{}) << "its own";
  EXPECT_EQ(shared_interfaces("0000:01:00.0"), Names{});
}

// Two ports on one interface, or a port whose own interface in the kernel cannot be made.
TEST(ConfigPorts, EachInterfaceIsOnePortsAndNoPortsName) {
  const auto ports = [](const std::string& name, const std::string& device) {
    return error_of(
        parse("ports:\n  - {name: lan, device: \"net_af_packet0,iface=eth1\", side: protected}\n  - {name: " +
              name + ", device: \"" + device + "\", side: unprotected}\n"));
  };
  EXPECT_EQ(ports("wan", "net_af_packet1,iface=eth2"), "no error");
  EXPECT_THAT(ports("wan", "net_af_packet1,iface=eth1"),
              HasSubstr("port 'lan' has interface 'eth1' already"));
  EXPECT_THAT(ports("wan", "net_pcap0,rx_iface=eth1"), HasSubstr("port 'lan' has interface 'eth1' already"));
  EXPECT_THAT(ports("eth2", "net_af_packet1,iface=eth2"),
              HasSubstr("'eth2' is the name of this port as well"));
  EXPECT_THAT(ports("wan", "net_af_packet1,iface=lan"), HasSubstr("'lan' is the name of port 'lan' as well"));
  EXPECT_THAT(ports("eth1", "net_tap1"), HasSubstr("the name of an interface that port 'lan' uses"));
}

TEST(ConfigPorts, AMisspeltDriverIsAnErrorWithTheRightOne) {
  const auto device = [](const std::string& device) {
    return error_of(parse("ports: [{name: lan, device: \"" + device + "\", side: protected}]\n"));
  };
  EXPECT_THAT(device("net_af_paket0,iface=eth1"), HasSubstr("did you mean 'net_af_packet'?"));
  EXPECT_THAT(device("netaf_xdp0,iface=eth1"), HasSubstr("did you mean 'net_af_xdp'?"));
  EXPECT_EQ(device("net_tap_lan"), "no error");
}

}  // namespace
}  // namespace simplon::ctrl

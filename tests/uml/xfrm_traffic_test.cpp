// SPDX-License-Identifier: Apache-2.0
// Packets between two kernels' gateways whose SAs and policies XfrmBackend made.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>
#include <utility>

#include "ctrl/linux/ike_socket.h"
#include "tests/uml/two_gateways.h"

namespace simplon::ctrl {
namespace {

using test::in_namespace;
using test::runs;
using test::shell;
using test::suite;
using test::ts;

void open_sockets(std::optional<IkeSockets>& sockets) {
  auto opened = IkeSockets::open(true);
  ASSERT_TRUE(opened) << opened.error().what;
  sockets.emplace(std::move(*opened));
}

class XfrmTraffic : public test::TwoGateways {
 protected:
  std::uint64_t packets(const SaRef& sa, XfrmBackend& backend) {
    const auto c = backend.counters(sa);
    EXPECT_TRUE(c) << c.error().what;
    return c ? c->packets : 0;
  }
};

TEST_F(XfrmTraffic, EveryMixOfFamiliesAndSuites) {
  const EspSuite suites[] = {suite("aes128gcm16"), suite("aes256gcm16"), suite("aes128", "sha256"),
                             suite("aes256", "sha512")};
  for (const EspSuite& s : suites)
    for (const bool outer : {true, false}) {
      SCOPED_TRACE(std::string(s.encr->name) + (outer ? " in IPv4" : " in IPv6"));
      SetUp();
      sas_.clear();
      v4_outer_ = outer;
      tunnel(s);
      EXPECT_TRUE(pings(true)) << shell("ip netns exec B cat /proc/net/xfrm_stat");
      EXPECT_TRUE(pings(false)) << shell("ip netns exec B cat /proc/net/xfrm_stat");
      for (const SaRef& sa : {sas_[0], sas_[3]}) {
        const auto c = a_->counters(sa);
        ASSERT_TRUE(c);
        EXPECT_EQ(c->packets, 6u);
        EXPECT_EQ(c->sequence, 6u);
        EXPECT_GT(c->bytes, 6 * 84u);
        EXPECT_LT(c->idle, std::chrono::seconds(5));
        EXPECT_EQ(c->replayed + c->bad_icv, 0u);
      }
      EXPECT_EQ(packets(sas_[1], *b_), 6u);
    }
}

// Every row of the tables that the kernel has, with extended sequence numbers.
TEST_F(XfrmTraffic, EveryAlgorithmWithEsn) {
  const auto all_with = [](const Encr& encr) {
    std::vector<EspSuite> out;
    if (encr.aead()) return std::vector{EspSuite{&encr, nullptr}};
    for (const Integ& integ : kIntegs)
      if (encr.name == "aes128" || &integ == kIntegs.data()) out.push_back({&encr, &integ});
    return out;
  };
  esn_ = Esn::kOn;
  for (const Encr& encr : kEncrs) {
    if (encr.xfrm.empty()) continue;
    for (const EspSuite& s : all_with(encr)) {
      SCOPED_TRACE(suite_name(s));
      SetUp();
      sas_.clear();
      tunnel(s);
      EXPECT_TRUE(pings(true, 1)) << shell("ip netns exec B cat /proc/net/xfrm_stat");
      EXPECT_EQ(packets(sas_[1], *b_), 1u);
    }
  }
}

TEST_F(XfrmTraffic, AhAndTransportMode) {
  std::vector<std::pair<IpsecProtocol, EspSuite>> all{{IpsecProtocol::kEsp, suite("aes128gcm16")},
                                                      {IpsecProtocol::kEsp, suite("aes128", "sha256")}};
  for (const Integ& integ : kIntegs) all.emplace_back(IpsecProtocol::kAh, *find_ah_suite(integ.name));
  for (const auto& [protocol, s] : all)
    for (const SaMode mode : {SaMode::kTunnel, SaMode::kTransport})
      for (const bool outer : {true, false}) {
        SCOPED_TRACE(suite_name(s, protocol) + " " + std::string(name(protocol)) + " " +
                     std::string(name(mode)) + (outer ? " IPv4" : " IPv6"));
        SetUp();
        sas_.clear();
        protocol_ = protocol;
        mode_ = mode;
        v4_outer_ = outer;
        esn_ = outer ? Esn::kOn : Esn::kOff;
        tunnel(s);
        const bool ends = mode == SaMode::kTransport;
        EXPECT_TRUE(ends ? pings_ends(1) : pings(true, 1))
            << shell("ip netns exec B cat /proc/net/xfrm_stat");
        EXPECT_TRUE(ends || pings(false, 1)) << shell("ip netns exec B cat /proc/net/xfrm_stat");
        EXPECT_GE(packets(sas_[1], *b_), ends ? 1u : 2u);
      }
}

// What comes in the kernel counts with the padding, which it cuts off afterwards.
TEST_F(XfrmTraffic, PaddedPacketsHaveOneLength) {
  for (const bool outer : {true, false})
    for (const std::uint16_t tfc : {kTfcOff, kTfcMtu, std::uint16_t{900}}) {
      SCOPED_TRACE((outer ? "IPv4 " : "IPv6 ") + std::to_string(tfc));
      SetUp();
      sas_.clear();
      v4_outer_ = outer;
      options_ = {.dscp = fixed_dscp(0), .ecn = EcnMode::kCompatibility, .tfc = tfc};
      tunnel(suite("aes128gcm16"));
      std::set<std::uint64_t> lengths;
      std::uint64_t before = 0;
      for (const int octets : {0, 100, 500, 800}) {
        EXPECT_TRUE(pings(true, 1, octets)) << shell("ip netns exec B cat /proc/net/xfrm_stat");
        const auto c = b_->counters(sas_[1]);
        ASSERT_TRUE(c);
        lengths.insert(c->bytes - std::exchange(before, c->bytes));
      }
      EXPECT_EQ(lengths.size(), tfc == kTfcOff ? 4u : 1u);
      EXPECT_LE(*lengths.rbegin(), 1500u);
      EXPECT_GT(*lengths.rbegin(), tfc == kTfcMtu ? 1380u : 800u);
    }
}

TEST_F(XfrmTraffic, IdleIsTheTimeSinceTheLastPacket) {
  tunnel(suite("aes128gcm16"));
  const auto pass = [&](int seconds) {
    for (; seconds > 0; --seconds) {
      a_->packets({});  // as the gateway does it
      sleep(1);
    }
  };
  const auto idle = [&] { return a_->counters(sas_[0])->idle; };
  pass(4);
  EXPECT_GE(idle(), std::chrono::seconds(4)) << "since the installation";
  EXPECT_TRUE(pings(true));
  EXPECT_LE(idle(), std::chrono::seconds(1));
  pass(3);
  EXPECT_GE(idle(), std::chrono::seconds(2));
  EXPECT_LE(idle(), std::chrono::seconds(4)) << "not since the installation";
}

// The sockets are those of the daemon: exempt from the policies and taking ESP in UDP for the kernel.
TEST_F(XfrmTraffic, UdpEncapsulationThroughTheIkeSockets) {
  std::optional<IkeSockets> at_a, at_b;
  in_namespace("A", [&] { open_sockets(at_a); });
  in_namespace("B", [&] { open_sockets(at_b); });
  udp_ = true;
  for (const bool outer : {true, false}) {
    SCOPED_TRACE(outer ? "IPv4" : "IPv6");
    SetUp();
    sas_.clear();
    v4_outer_ = outer;
    tunnel(suite("aes128gcm16"));
    EXPECT_TRUE(pings(true)) << shell("ip netns exec B cat /proc/net/xfrm_stat /proc/net/snmp6");
    EXPECT_TRUE(pings(false));
    EXPECT_EQ(packets(sas_[1], *b_), 6u);
  }
}

TEST_F(XfrmTraffic, IkePassesPoliciesThatCoverIt) {
  PolicySpec all{.id = PolicyId{9},
                 .name = "all",
                 .order = 1,
                 .action = Action::kDiscard,
                 .selectors = {{ts("0.0.0.0/0"), ts("::/0")}, {ts("0.0.0.0/0"), ts("::/0")}},
                 .tunnel = {}};
  for (auto* backend : {a_.get(), b_.get()}) ASSERT_TRUE(backend->add_policy(all));
  std::optional<IkeSockets> at_a, at_b;
  in_namespace("A", [&] { open_sockets(at_a); });
  in_namespace("B", [&] { open_sockets(at_b); });
  for (const Port port : {kIkePort, kNatTraversalPort}) {
    const ike::Datagram sent{.local = {test::ip("203.0.113.1"), port},
                             .remote = {test::ip("203.0.113.2"), port},
                             .bytes = Buffer{1, 2, 3, 4, 5}};
    const auto done = at_a->send(sent);
    ASSERT_TRUE(done) << done.error().what;
    const int fd = at_b->fds()[port == kIkePort ? 0 : 1];
    std::optional<ike::Datagram> got;
    EXPECT_TRUE(test::wait_for(fd, [&] { return (got = at_b->receive(fd)).has_value(); }));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->bytes, sent.bytes);
    EXPECT_EQ(got->remote, sent.local);
  }
  EXPECT_FALSE(runs("ip netns exec A ping -q -c1 -W1 203.0.113.2")) << "everything else is discarded";
}

TEST_F(XfrmTraffic, NothingPassesInClearWithoutAnSa) {
  EXPECT_TRUE(pings(true)) << "the wire itself works";
  ASSERT_TRUE(b_->add_policy(protect(false)));
  EXPECT_FALSE(pings(true, 1)) << "B takes no clear packet";
  ASSERT_TRUE(b_->remove_policy(protect(false)));
  ASSERT_TRUE(a_->add_policy(protect(true)));
  EXPECT_FALSE(pings(true, 1)) << "A sends no clear packet";
}

TEST_F(XfrmTraffic, GatewayOffAndOn) {
  tunnel(suite("aes128gcm16"));
  EXPECT_TRUE(pings(true));
  ASSERT_TRUE(a_->set_gateway(false));
  const std::uint64_t before = packets(sas_[0], *a_);
  EXPECT_FALSE(pings(true, 1));
  EXPECT_EQ(packets(sas_[0], *a_), before);
  ASSERT_TRUE(a_->set_gateway(true));
  EXPECT_TRUE(pings(true));
}

TEST_F(XfrmTraffic, TheNewerSaSendsAfterARekeyAndTheOlderGoesUnnoticed) {
  tunnel(suite("aes128gcm16"));
  EXPECT_TRUE(pings(true));
  std::vector<SaRef> older = std::move(sas_);
  sas_.clear();
  ASSERT_TRUE(runs("sleep 1.1"));  // the kernel tells SAs apart by the second they were added
  tunnel(suite("aes256gcm16"), 0x3000);
  EXPECT_TRUE(pings(true));
  EXPECT_EQ(packets(sas_[0], *a_), 3u);
  EXPECT_EQ(packets(older[0], *a_), 3u);
  ASSERT_TRUE(a_->remove_sa(older[0]));
  ASSERT_TRUE(b_->remove_sa(older[1]));
  ASSERT_TRUE(b_->remove_sa(older[2]));
  ASSERT_TRUE(a_->remove_sa(older[3]));
  EXPECT_TRUE(pings(true));
}

// RFC 4301 §5.2: the packet inside must match the selectors of the SA that it came in.
TEST_F(XfrmTraffic, InnerPacketBeyondTheSelectorsOfItsSaIsDropped) {
  const EspSuite s = suite("aes128gcm16");
  add(*a_, sa(Direction::kOut, false, 0x1000, s));
  SaSpec in = sa(Direction::kIn, false, 0x1000, s);
  in.selectors = {{ts("198.51.100.128/25")}, {ts("192.0.2.0/24")}};  // not 198.51.100.1
  add(*b_, std::move(in));
  add(*b_, sa(Direction::kOut, true, 0x1001, s));
  add(*a_, sa(Direction::kIn, true, 0x1001, s));
  policies();
  EXPECT_FALSE(pings(true, 1));
  EXPECT_EQ(packets(sas_[1], *b_), 1u) << "it was decrypted";
  ASSERT_TRUE(b_->remove_sa(sas_[1]));
  in = sa(Direction::kIn, false, 0x1000, s);
  in.selectors = {{ts("198.51.100.0/24")}, {ts("192.0.2.0/24")}};
  add(*b_, std::move(in));
  EXPECT_TRUE(pings(true));
}

// RFC 4301 §5.2: a child's packets come by its own SAs, narrowed or not, not by those of another one between
// the same ends.
TEST_F(XfrmTraffic, AnotherChildsSaDoesNotBringAChildsPackets) {
  const EspSuite s = suite("aes128gcm16");
  add(*a_, sa(Direction::kOut, false, 0x1000, s));
  SaSpec in = sa(Direction::kIn, false, 0x1000, s);
  in.policy = PolicyId{8};
  add(*b_, std::move(in));
  add(*b_, sa(Direction::kOut, true, 0x1001, s));
  add(*a_, sa(Direction::kIn, true, 0x1001, s));
  for (const bool at_a : {true, false}) {
    PolicySpec p = protect(at_a);
    p.child = p.id;
    ASSERT_TRUE((at_a ? a_ : b_)->add_policy(p));
  }
  EXPECT_FALSE(pings(true, 1));
  EXPECT_EQ(packets(sas_[1], *b_), 1u) << "it was decrypted";
  ASSERT_TRUE(b_->remove_sa(sas_[1]));
  in = sa(Direction::kIn, false, 0x1000, s);
  in.policy = PolicyId{9};
  in.child = PolicyId{7};
  add(*b_, std::move(in));
  EXPECT_TRUE(pings(true));
}

TEST_F(XfrmTraffic, ForgedPacketsAreCountedAndDropped) {
  const EspSuite s = suite("aes128", "sha256");
  SaSpec other = sa(Direction::kOut, false, 0x1000, s);
  other.integ_key = test::key(32, 0x99);
  add(*a_, std::move(other));
  add(*b_, sa(Direction::kIn, false, 0x1000, s));
  policies();
  EXPECT_FALSE(pings(true, 2));
  const auto c = b_->counters(sas_[1]);
  ASSERT_TRUE(c);
  EXPECT_EQ(c->bad_icv, 2u);
  EXPECT_EQ(c->packets, 0u);
}

}  // namespace
}  // namespace simplon::ctrl

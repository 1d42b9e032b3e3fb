// SPDX-License-Identifier: Apache-2.0
// Transport mode (RFC 7296 §1.3.1): agreed on by both, refused by one, and with a NAT between (§2.23.1).
#include "ike/sa/child.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

using enum SaMode;

const IpAddress kLeft = *IpAddress::parse("198.51.100.1"), kRight = *IpAddress::parse("198.51.100.2");
const IpAddress kNat = *IpAddress::parse("203.0.113.8");

TrafficSelectors host(const IpAddress& address) { return {TrafficSelector::of(Prefix::host(address))}; }

std::shared_ptr<Connection> transport(bool left, TransportFallback fallback = TransportFallback::kFail) {
  auto c = connection(left);
  c->children[0].mode = kTransport;
  c->children[0].transport_fallback = fallback;
  c->children[0].selectors = {};
  return c;
}
std::shared_ptr<Connection> tunnel(bool left) {
  auto c = connection(left);
  c->children[0].selectors = {};
  return c;
}

void expect_mode(const Pair& pair, SaMode mode) {
  for (const Side* side : {&pair.left, &pair.right}) {
    ASSERT_EQ(side->status().children.size(), 1u);
    EXPECT_EQ(side->status().children[0].mode, mode);
    ASSERT_FALSE(side->outbound.empty());
    EXPECT_EQ(side->outbound.back()->mode, mode);
    for (const auto& [id, sa] : side->installed) EXPECT_TRUE(possible_sa(*sa)) << sa->selectors.text();
  }
}

TEST(Rfc7296_1_3_1, BothEndsAgreeOnTransportModeAndKeepItWhenTheyRekey) {
  Pair pair(transport(true), transport(false));
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  expect_mode(pair, kTransport);
  EXPECT_EQ(pair.left.status().children[0].selectors, (Selectors{host(kLeft), host(kRight)}));
  EXPECT_TRUE(pair.left.logged("in transport mode"));
  for (Side* side : {&pair.left, &pair.right}) {
    side->endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);
    pair.pump();
    pair.wait(10s);
    EXPECT_TRUE(side->done(5) && side->done(5)->ok);
    expect_mode(pair, kTransport);
    pair.expect_working();
  }
}

TEST(Rfc7296_1_3_1, AChildThatComesLaterIsInTransportMode) {
  Pair pair(transport(true), transport(false));
  pair.initiate();
  pair.left.endpoint.terminate(ByName{"sites", "net"}, 4, pair.now);
  pair.pump();
  ASSERT_TRUE(pair.right.status().children.empty());
  pair.right.endpoint.initiate("sites", "net", 5, pair.now);
  pair.pump();
  ASSERT_TRUE(pair.right.done(5) && pair.right.done(5)->ok);
  expect_mode(pair, kTransport);
  pair.expect_working();
}

// Of IKE_AUTH, and of an exchange of its own.
TEST(Rfc7296_1_3_1, APeerThatWillNotHaveItEndsTheChildAsConfigured) {
  for (const bool later : {false, true}) {
    Pair pair(transport(true), tunnel(false));
    if (later) {
      pair.right.endpoint.initiate("sites", "", 3, pair.now);
      pair.pump();
      ASSERT_EQ(pair.right.status().state, IkeState::kEstablished);
    }
    pair.initiate();
    pair.wait(5s);
    ASSERT_TRUE(pair.left.done(1));
    EXPECT_FALSE(pair.left.done(1)->ok);
    EXPECT_TRUE(pair.left.logged("the peer will not have transport mode")) << later;
    EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty()) << "the peer deletes it";
    EXPECT_EQ(pair.left.status().state, IkeState::kEstablished);
  }
}

TEST(Rfc7296_1_3_1, OrFallsBackToTunnelModeAsConfigured) {
  Pair pair(transport(true, TransportFallback::kTunnel), tunnel(false));
  pair.initiate();
  expect_mode(pair, kTunnel);
  pair.expect_working();
  for (Side* side : {&pair.left, &pair.right}) {
    side->endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);
    pair.pump();
    pair.wait(10s);
    EXPECT_TRUE(side->done(5) && side->done(5)->ok);
    expect_mode(pair, kTunnel);
  }
}

TEST(Rfc7296_1_3_1, AResponderForTransportModeAloneRefusesTunnelMode) {
  Pair pair(tunnel(true), transport(false));
  pair.initiate();
  EXPECT_TRUE(pair.left.logged("NO_PROPOSAL_CHOSEN"));
  EXPECT_TRUE(pair.right.logged("offered tunnel mode, child net is for transport mode alone"));
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());

  Pair either(tunnel(true), transport(false, TransportFallback::kTunnel));
  either.initiate();
  expect_mode(either, kTunnel);
  either.expect_working();
}

// The wide child comes first in the configuration, and its selectors cover those of the other.
TEST(Rfc7296_2_23_1, TheChildOfTheModeThatIsAskedForComesFirst) {
  for (const SaMode asked : {kTransport, kTunnel}) {
    auto r = transport(false);
    ChildConfig wide = r->children[0];
    wide.name = "wide";
    wide.mode = kTunnel;
    wide.selectors = {{*TrafficSelector::parse("0.0.0.0/0")}, {*TrafficSelector::parse("0.0.0.0/0")}};
    r->children.insert(r->children.begin() + (asked == kTransport ? 0 : 1), wide);
    Pair pair(asked == kTransport ? transport(true) : tunnel(true), r);
    pair.initiate();
    expect_mode(pair, asked);
    EXPECT_EQ(pair.right.status().children[0].name, asked == kTransport ? "net" : "wide");
  }
}

TEST(Rfc7296_1_3_1, TransportModeThatNobodyAskedForIsNotTaken) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({tunnel(true)}, now);
  side.endpoint.initiate("sites", "net", 1, now);
  BarePeer peer(side, now);
  peer.answer_init();
  ASSERT_TRUE(peer.hear());
  PayloadWriter out = peer.authenticated();
  Proposal esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
  esp.spi = spi_bytes(0x1000);
  out.notify(NotifyType::kUseTransportMode);
  out.sa({esp});
  out.ts(PayloadType::kTsi, host(kLeft));
  out.ts(PayloadType::kTsr, host(kRight));
  peer.say(Exchange::kIkeAuth, true, 1, out);
  const auto deleted = peer.hear();
  ASSERT_TRUE(deleted);
  EXPECT_EQ(deleted->payloads.deletes.size(), 1u);
  EXPECT_TRUE(side.logged("which we did not ask for"));
  EXPECT_TRUE(side.installed.empty());
}

// A NAT between: `hidden` stands behind it, and the other end knows it by 203.0.113.8.
struct NatBetween : Pair {
  explicit NatBetween(bool left_hidden) : Pair(at_nat(true, left_hidden), at_nat(false, left_hidden)) {
    nat = [this, left_hidden](Datagram& d) {
      if (left_hidden && d.local.address == kRight) {
        inside = d.remote;
        d.remote = {mapped, Port{20500}};
      } else if (left_hidden) {
        d.local = inside;
      } else if (d.local.address == kNat) {
        d.local.address = kRight;
      } else {
        d.remote.address = kNat;
      }
    };
    initiate();
  }
  static std::shared_ptr<Connection> at_nat(bool left, bool left_hidden) {
    auto c = transport(left);
    if (left_hidden && !left) c->remote_addrs = {};
    if (!left_hidden && left) c->remote_addrs = {AddressRange{kNat, kNat}};
    return c;
  }
  SocketAddress inside;
  IpAddress mapped = kNat;
};

TEST(Rfc7296_2_23_1, BehindANatEachEndKnowsTheOtherByTheAddressThatItSees) {
  for (const bool left_hidden : {true, false}) {
    NatBetween pair(left_hidden);
    ASSERT_TRUE(pair.left.up() && pair.right.up());
    for (int rekeyed = 0; rekeyed < 3; ++rekeyed) {
      for (const Side* side : {&pair.left, &pair.right}) {
        ASSERT_EQ(side->status().children.size(), 1u);
        EXPECT_EQ(side->status().children[0].encapsulation, Encapsulation::kUdp);
        for (const auto& [id, sa] : side->installed) {
          EXPECT_EQ(sa->mode, kTransport);
          EXPECT_TRUE(possible_sa(*sa)) << sa->selectors.text();
        }
      }
      EXPECT_EQ(pair.left.status().children[0].selectors,
                (Selectors{host(kLeft), host(left_hidden ? kRight : kNat)}));
      EXPECT_EQ(pair.right.status().children[0].selectors,
                (Selectors{host(kRight), host(left_hidden ? kNat : kLeft)}));
      (rekeyed == 0 ? pair.left : pair.right).endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);
      pair.pump();
      pair.wait(10s);
    }
  }
}

// Forced by one end or by both: the addresses are as they are all the same.
TEST(Rfc7296_2_23_1, ForcedEncapsulationKeepsTransportMode) {
  for (const int forced : {1, 2, 3}) {
    auto l = transport(true), r = transport(false);
    l->force_encap = (forced & 1) != 0;
    r->force_encap = (forced & 2) != 0;
    Pair pair(l, r);
    pair.initiate();
    ASSERT_TRUE(pair.left.up() && pair.right.up()) << forced;
    expect_mode(pair, kTransport);
    EXPECT_EQ(pair.left.status().children[0].selectors, (Selectors{host(kLeft), host(kRight)}));
    for (const Side* side : {&pair.left, &pair.right}) EXPECT_TRUE(side->outbound.back()->udp);
    pair.expect_working();
  }
}

TEST(Rfc7296_2_23_1, PortsAreKept) {
  const Path path{{kRight, Port{4500}}, {kNat, Port{4500}}, false, true};
  const Selectors theirs{
      {*TrafficSelector::parse("198.51.100.2[udp/1701]")},
      {*TrafficSelector::parse("10.0.0.5[udp/1701]"), *TrafficSelector::parse("10.0.0.0/8")}};
  EXPECT_EQ(seen_from_here(theirs, path).text(),
            "198.51.100.2/32[udp/1701] === 203.0.113.8/32[udp/1701] 10.0.0.0/8");
  EXPECT_EQ(seen_from_here(theirs, Path{path.local, path.remote}), theirs) << "there is no NAT";
}

TEST(Rfc7296_2_23, AnotherPortOfThePeerIsFollowedAnotherAddressEndsTheChild) {
  NatBetween pair(true);
  ASSERT_TRUE(pair.right.up());
  const SaId before = pair.right.status().children[0].inbound;
  const auto port = pair.nat;
  pair.nat = [&](Datagram& d) {
    port(d);
    if (d.local.address == kRight) d.remote.port = Port{31000};
  };
  pair.wait(35s);
  EXPECT_EQ(pair.right.status().remote, (SocketAddress{kNat, Port{31000}}));
  ASSERT_EQ(pair.right.status().children.size(), 1u);
  EXPECT_EQ(pair.right.status().children[0].inbound, before);
  pair.mapped = *IpAddress::parse("203.0.113.9");
  pair.wait(70s);
  EXPECT_EQ(pair.right.status().remote.address, pair.mapped);
  EXPECT_TRUE(pair.right.logged("child net in transport mode ends with the peer's address"));
  EXPECT_TRUE(pair.right.installed.empty() && pair.left.installed.empty());
}

}  // namespace
}  // namespace simplon::ike::test

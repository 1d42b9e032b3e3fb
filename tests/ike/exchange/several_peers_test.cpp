// SPDX-License-Identifier: Apache-2.0
// One connection for whoever has the key, and peers that want the same traffic.
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

std::shared_ptr<Connection> for_anybody() {
  auto c = connection(true);
  c->remote_id = *Identity::parse("%any");
  return c;
}

// Each of them from the address where the NAT is.
struct Peers {
  explicit Peers(std::shared_ptr<Connection> c) { side.endpoint.configure({std::move(c)}, now); }

  // The answer to IKE_AUTH with a child of these selectors, the peer's own first.
  std::optional<BarePeer::Heard> ask(BarePeer& peer, std::uint32_t spi, const char* theirs, const char* ours,
                                     SaMode mode = SaMode::kTunnel) {
    peer.initiate();
    PayloadWriter out = peer.authenticated();
    if (mode == SaMode::kTransport) out.notify(NotifyType::kUseTransportMode);
    Proposal esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
    esp.spi = spi_bytes(spi);
    out.sa({esp});
    out.ts(PayloadType::kTsi, {*TrafficSelector::parse(theirs)});
    out.ts(PayloadType::kTsr, {*TrafficSelector::parse(ours)});
    peer.say(Exchange::kIkeAuth, false, 1, out);
    return peer.hear();
  }
  // What we send to, of all peers.
  std::vector<Spi> outbound() const {
    std::vector<Spi> out;
    for (const SaRef& sa : side.outbound) out.push_back(sa->spi);
    return out;
  }

  Side side{1};
  Now now{1000s};
};

bool refused(const std::optional<BarePeer::Heard>& answer) {
  EXPECT_TRUE(answer);
  return answer && answer->payloads.find(NotifyType::kTsUnacceptable) != nullptr;
}

constexpr const char *kSite = "198.18.2.0/24", *kOurs = "198.18.1.0/24";

TEST(Rfc4301_4_4_3, TrafficOfOnePeerIsNotGivenToAnother) {
  Peers peers(for_anybody());
  BarePeer first(peers.side, peers.now, 1), second(peers.side, peers.now, 2);
  second.identity = "c.example";
  EXPECT_FALSE(refused(peers.ask(first, 0x1000, kSite, kOurs)));
  EXPECT_TRUE(refused(peers.ask(second, 0x2000, kSite, kOurs)));
  EXPECT_TRUE(peers.side.logged("'b.example' at 198.51.100.2"));
  EXPECT_EQ(peers.outbound(), std::vector{Spi{0x1000}});
  EXPECT_EQ(peers.side.endpoint.status().size(), 2u) << "its IKE SA stays, for other traffic";
  // It is free when the first peer does not have it any more.
  first.say(Exchange::kInformational, false, 2, deleted(0x1000));
  ASSERT_TRUE(first.hear());
  PayloadWriter again;
  BarePeer::add_child(again, "aes128gcm16", 0x2001);
  again.nonce(Buffer(32, 8));
  second.say(Exchange::kCreateChildSa, false, 2, again);
  EXPECT_FALSE(refused(second.hear()));
  EXPECT_EQ(peers.outbound(), std::vector{Spi{0x2001}});
}

TEST(Rfc4301_4_4_3, APeerThatComesAgainTakesItsTrafficOver) {
  Peers peers(for_anybody());
  BarePeer before(peers.side, peers.now, 1), now(peers.side, peers.now, 2);
  EXPECT_FALSE(refused(peers.ask(before, 0x1000, kSite, kOurs)));
  EXPECT_FALSE(refused(peers.ask(now, 0x2000, kSite, kOurs)));
  EXPECT_EQ(peers.side.outbound.back()->spi, Spi{0x2000});
  // So does a rekey.
  now.say(Exchange::kCreateChildSa, false, 2, rekey_of(0x2000, 0x2001));
  EXPECT_FALSE(refused(now.hear()));
}

TEST(Rfc7296_2_9, PeersWithPartsOfAChildHaveThemBesideOneAnother) {
  auto c = for_anybody();
  c->children[0].selectors.remote = {*TrafficSelector::parse("198.18.0.0/15")};
  Peers peers(c);
  BarePeer first(peers.side, peers.now, 1), second(peers.side, peers.now, 2);
  second.identity = "c.example";
  EXPECT_FALSE(refused(peers.ask(first, 0x1000, "198.18.2.0/24", kOurs)));
  EXPECT_FALSE(refused(peers.ask(second, 0x2000, "198.18.3.0/24", kOurs)));
  EXPECT_EQ(peers.outbound(), (std::vector{Spi{0x1000}, Spi{0x2000}}));
}

std::shared_ptr<Connection> l2tp() {
  auto c = for_anybody();
  c->children[0].mode = SaMode::kTransport;
  c->children[0].selectors = {{*TrafficSelector::parse("198.51.100.1[udp/1701]")},
                              {*TrafficSelector::parse("198.51.100.2[udp]")}};
  return c;
}

// L2TP in transport mode: all clients behind one NAT have its address here, so their ports tell them apart.
TEST(Rfc3948_5_2, ClientsBehindOneNatNeedPortsOfTheirOwn) {
  Peers peers(l2tp());
  BarePeer first(peers.side, peers.now, 1), second(peers.side, peers.now, 2), third(peers.side, peers.now, 3);
  for (BarePeer* peer : {&first, &second, &third}) peer->behind_nat = true;
  second.identity = "c.example", third.identity = "d.example";
  const char* server = "198.51.100.1[udp/1701]";
  EXPECT_FALSE(refused(peers.ask(first, 0x1000, "198.18.2.1[udp/1701]", server, SaMode::kTransport)));
  EXPECT_TRUE(refused(peers.ask(second, 0x2000, "198.18.2.2[udp/1701]", server, SaMode::kTransport)));
  EXPECT_FALSE(refused(peers.ask(third, 0x3000, "198.18.2.3[udp/50000]", server, SaMode::kTransport)));
  EXPECT_EQ(peers.outbound(), (std::vector{Spi{0x1000}, Spi{0x3000}}));
  EXPECT_EQ(peers.side.outbound[1]->selectors.text(),
            "198.51.100.1/32[udp/1701] === 198.51.100.2/32[udp/50000]");
}

// A client that was restarted, or whose NAT was: it says nothing of what it had.
TEST(Rfc3948_5_2, APeerThatComesFromAnotherPortTakesItsTrafficOver) {
  Peers peers(l2tp());
  BarePeer before(peers.side, peers.now, 1), now(peers.side, peers.now, 2), other(peers.side, peers.now, 3);
  for (BarePeer* peer : {&before, &now, &other}) peer->behind_nat = true;
  now.port = Port{40000}, other.port = Port{40001};
  other.identity = "c.example";
  const char* server = "198.51.100.1[udp/1701]";
  const char* client = "198.18.2.1[udp/1701]";
  EXPECT_FALSE(refused(peers.ask(before, 0x1000, client, server, SaMode::kTransport)));
  peers.side.order.clear();
  EXPECT_FALSE(refused(peers.ask(now, 0x2000, client, server, SaMode::kTransport)));
  EXPECT_EQ(peers.outbound(), std::vector{Spi{0x2000}});
  EXPECT_EQ(peers.side.outbound[0]->udp->destination, Port{40000});
  const auto gone = std::ranges::find(peers.side.order, "remove"),
             made = std::ranges::find(peers.side.order, "in");
  EXPECT_LT(gone - peers.side.order.begin(), made - peers.side.order.begin()) << "before the new one comes";
  peers.side.endpoint.tick(peers.now);
  const auto told = before.hear();
  ASSERT_TRUE(told && told->payloads.deletes.size() == 1) << "the former one, if it is still there";
  EXPECT_TRUE(peers.side.logged("its peer comes from 198.51.100.2[40000] now"));
  EXPECT_TRUE(refused(peers.ask(other, 0x3000, client, server, SaMode::kTransport)));
  EXPECT_TRUE(peers.side.logged("'b.example' at 198.51.100.2")) << "which of them has it";
  EXPECT_EQ(peers.outbound(), std::vector{Spi{0x2000}});
}

TEST(Rfc3948_5_2, APeerThatComesBehindANatTakesItsTrafficOver) {
  for (const SaMode mode : {SaMode::kTransport, SaMode::kTunnel}) {
    auto c = l2tp();
    c->children[0].transport_fallback = TransportFallback::kTunnel;
    Peers peers(c);
    BarePeer before(peers.side, peers.now, 1), now(peers.side, peers.now, 2);
    now.behind_nat = true;
    const char *server = "198.51.100.1[udp/1701]", *client = "198.51.100.2[udp/1701]";
    EXPECT_FALSE(refused(peers.ask(before, 0x1000, client, server, mode)));
    EXPECT_FALSE(refused(peers.ask(now, 0x2000, client, server, SaMode::kTransport)));
    EXPECT_EQ(peers.outbound(), std::vector{Spi{0x2000}});
    EXPECT_TRUE(peers.side.outbound[0]->udp);
  }
}

// What the backend has no room for beside it (taken_behind_nat()) is refused, and asked for less and less
// often.
TEST(Rfc3948_5_2, TwoDevicesOfOneNameDoNotTakeItFromEachOtherWithoutEnd) {
  Peers peers(l2tp());
  BarePeer first(peers.side, peers.now, 1), second(peers.side, peers.now, 2);
  for (BarePeer* peer : {&first, &second}) peer->behind_nat = true;
  second.port = Port{40000};
  const char *server = "198.51.100.1[udp/1701]", *client = "198.18.2.1[udp/1701]";
  EXPECT_FALSE(refused(peers.ask(first, 0x1000, client, server, SaMode::kTransport)));
  peers.now += 1s;
  EXPECT_FALSE(refused(peers.ask(second, 0x2000, client, server, SaMode::kTransport)));
  EXPECT_EQ(peers.outbound(), std::vector{Spi{0x2000}}) << "the first was not heard of since it came";
  peers.now += 1s;
  PayloadWriter again;
  again.notify(NotifyType::kUseTransportMode);
  Proposal esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
  esp.spi = spi_bytes(0x1001);
  again.sa({esp});
  again.nonce(Buffer(32, 8));
  again.ts(PayloadType::kTsi, {*TrafficSelector::parse(client)});
  again.ts(PayloadType::kTsr, {*TrafficSelector::parse(server)});
  first.say(Exchange::kCreateChildSa, false, 2, again);
  EXPECT_FALSE(refused(first.hear()));
  EXPECT_EQ(peers.outbound(), (std::vector{Spi{0x2000}, Spi{0x1001}})) << "the second one lives";
}

}  // namespace
}  // namespace simplon::ike::test

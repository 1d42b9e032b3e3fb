#include "ike/endpoint.h"

#include "tests/ike/two_endpoints.h"

namespace simplon::ike::test {
namespace {

using testing::HasSubstr;

TEST(Rfc7296_1_2, InitialExchangesBringAChildUp) {
  for (const char* ike : {"aes128gcm16-prfsha256-x25519", "aes256gcm16-prfsha384-ecp384",
                          "aes128-sha256-ecp256", "aes256-sha512-modp2048"})
    for (const char* esp : {"aes128gcm16", "aes256gcm16", "aes128-sha256", "aes256-sha512"}) {
      SCOPED_TRACE(std::string(ike) + " " + esp);
      auto l = connection(true), r = connection(false);
      for (auto& c : {l, r}) {
        c->proposals = {*Proposal::parse(ike, ProtocolId::kIke)};
        c->children[0].proposals = {*Proposal::parse(esp, ProtocolId::kEsp)};
      }
      Pair pair(l, r);
      pair.initiate();
      ASSERT_TRUE(pair.left.up() && pair.right.up());
      pair.expect_working();
      ASSERT_EQ(pair.left.finished.size(), 1u);
      EXPECT_TRUE(pair.left.finished[0].ok);
    }
}

TEST(Rfc7296_1_2, InboundSaIsThereBeforeThePeerHearsOfIt) {
  Pair pair;
  pair.initiate();
  EXPECT_THAT(pair.right.order, testing::ElementsAre("datagram", "in", "out", "datagram"));
}

TEST(Rfc7296, SameSeedSameBytes) {
  Pair one, two;
  one.initiate();
  two.initiate();
  EXPECT_EQ(one.left.sent, two.left.sent);
  EXPECT_EQ(one.right.sent, two.right.sent);
}

TEST(Rfc7296_2_1, AnyOneLostMessageIsRepeated) {
  for (unsigned lost = 1; lost <= 4; ++lost) {
    Pair pair;
    pair.left.endpoint.initiate("sites", "net", 1, pair.now);
    pair.pump(nth(lost));
    pair.wait(2s);
    ASSERT_TRUE(pair.left.up() && pair.right.up()) << lost;
    EXPECT_EQ(pair.right.endpoint.status().size(), 1u);
    pair.expect_working();
  }
}

TEST(Rfc7296_2_4, APeerThatIsAwayIsGivenUpAndTriedAgain) {
  auto l = connection(true);
  auto child = l->children[0];
  const_cast<Connection&>(*l).children[0].start = StartAction::kStart;
  Pair pair(connection(true), connection(false));
  bool away = true;
  const Lose lose = [&](const Datagram&) { return away; };
  pair.left.endpoint.configure({l}, pair.now);
  pair.pump(lose);
  pair.wait(60s, lose);
  EXPECT_TRUE(pair.left.logged("does not answer"));
  EXPECT_GE(pair.left.endpoint.counters().timed_out, 1u);
  away = false;
  pair.wait(70s);
  EXPECT_TRUE(pair.left.up() && pair.right.up());
}

TEST(Rfc7296_2_15, WrongKeyIsRefusedOnBothSidesWithAReason) {
  auto r = connection(false);
  r->psk = std::make_shared<const Secret>(Buffer(20, 7));
  Pair pair(connection(true), r);
  pair.initiate();
  EXPECT_TRUE(pair.left.endpoint.status().empty() && pair.right.endpoint.status().empty());
  EXPECT_TRUE(pair.right.logged("does not know the shared key"));
  EXPECT_TRUE(pair.left.logged("AUTHENTICATION_FAILED"));
  EXPECT_EQ(pair.right.endpoint.counters().auth_failed, 1u);
  ASSERT_EQ(pair.left.finished.size(), 1u);
  EXPECT_FALSE(pair.left.finished[0].ok);
}

TEST(Rfc7296_2_15, UnknownIdentityIsRefusedAndNamed) {
  auto l = connection(true);
  l->local_id = *Identity::parse("mallory.example");
  Pair pair(l, connection(false));
  pair.initiate();
  EXPECT_TRUE(pair.right.logged("mallory.example"));
  EXPECT_TRUE(pair.right.endpoint.status().empty());
}

TEST(Rfc7296_2_7, NoCommonProposalIsSaidWithBothSides) {
  auto r = connection(false);
  r->proposals = {*Proposal::parse("aes256-sha512-modp2048", ProtocolId::kIke)};
  Pair pair(connection(true), r);
  pair.initiate();
  EXPECT_TRUE(
      pair.right.logged("offered aes128gcm16-prfsha256-x25519; we take aes256-sha512-prfsha512-modp2048"));
  EXPECT_TRUE(pair.left.logged("NO_PROPOSAL_CHOSEN"));
  EXPECT_EQ(pair.right.endpoint.counters().no_proposal, 1u);
}

TEST(Rfc7296_1_3, InvalidKePayloadLeadsToTheOtherGroup) {
  auto l = connection(true), r = connection(false);
  l->proposals = {*Proposal::parse("aes128gcm16-prfsha256-x25519-ecp256", ProtocolId::kIke)};
  r->proposals = {*Proposal::parse("aes128gcm16-prfsha256-ecp256", ProtocolId::kIke)};
  Pair pair(l, r);
  pair.initiate();
  EXPECT_TRUE(pair.left.up() && pair.right.up());
}

TEST(Rfc7296_2_9, SelectorsAreNarrowedAndOthersRefused) {
  auto r = connection(false);
  r->children[0].selectors = {{*TrafficSelector::parse("198.18.2.128/25")},
                              {*TrafficSelector::parse("198.18.0.0/16")}};
  Pair pair(connection(true), r);
  pair.initiate();
  ASSERT_TRUE(pair.left.up());
  EXPECT_EQ(pair.left.status().children[0].selectors.text(), "198.18.1.0/24 === 198.18.2.128/25");
  pair.expect_working();

  r = connection(false);
  r->children[0].selectors.remote = {*TrafficSelector::parse("203.0.113.0/24")};
  Pair apart(connection(true), r);
  apart.initiate();
  EXPECT_FALSE(apart.left.up());
  EXPECT_EQ(apart.left.status().state, IkeState::kEstablished) << "the IKE SA lives without the child (§1.2)";
  EXPECT_TRUE(apart.right.logged(
      "offered 198.18.2.0/24 === 198.18.1.0/24, child net is 198.18.2.0/24 === 203.0.113.0/24"));
  EXPECT_TRUE(apart.left.logged("TS_UNACCEPTABLE"));
}

TEST(Rfc7296_2_23, ANatMovesThePairToPort4500AndEspIntoUdp) {
  Pair pair;
  pair.nat = [](Datagram& d) {  // the left one is behind it
    if (d.local.address.text() == "198.51.100.2")
      d.remote.port = Port{static_cast<std::uint16_t>(static_cast<unsigned>(d.remote.port) + 10000)};
    if (d.local.address.text() == "198.51.100.1")
      d.local.port = Port{static_cast<std::uint16_t>(static_cast<unsigned>(d.local.port) - 10000)};
  };
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_EQ(pair.left.status().local.port, kNatTraversalPort);
  const SaRef out = pair.right.sas(Direction::kOut).back();
  ASSERT_TRUE(out->udp);
  EXPECT_EQ(out->udp->source, kNatTraversalPort);
  EXPECT_EQ(out->udp->destination, Port{14500});
}

TEST(Rfc7296_2_23, ForcedEncapsulationNeedsNoNat) {
  auto l = connection(true);
  l->force_encap = true;
  Pair pair(l, connection(false));
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_TRUE(pair.left.sas(Direction::kOut).back()->udp && pair.right.sas(Direction::kOut).back()->udp);
}

TEST(Rfc7296_2_6, CookiesAreAskedForUnderLoadAndTheHandshakeStillWorks) {
  Pair pair(connection(true), connection(false), Settings{.cookie_threshold = 0});
  pair.initiate();
  EXPECT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_EQ(pair.right.endpoint.counters().cookies_sent, 1u);
}

class Rekeying : public testing::TestWithParam<std::tuple<bool, bool>> {};  // by the initiator?, with PFS?

TEST_P(Rekeying, ChildIsReplacedWithoutAGap) {
  const auto [by_left, pfs] = GetParam();
  auto l = connection(true), r = connection(false);
  for (auto& c : {l, r})
    c->children[0].proposals = {
        *Proposal::parse(pfs ? "aes128gcm16-ecp256" : "aes128gcm16", ProtocolId::kEsp)};
  Pair pair(l, r);
  pair.initiate();
  const Spi before = pair.left.status().children[0].spi_in;
  Side& active = by_left ? pair.left : pair.right;
  active.endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);
  pair.pump();
  pair.expect_working();
  ASSERT_EQ(pair.left.status().children.size(), 1u);
  EXPECT_NE(pair.left.status().children[0].spi_in, before);
  EXPECT_EQ(pair.left.status().children[0].group.has_value(), pfs);
  EXPECT_EQ(active.finished.back().ticket, 5u);
  EXPECT_TRUE(active.finished.back().ok);
  EXPECT_EQ(pair.left.sas(Direction::kIn).size(), 2u) << "the old one stays for what is under way";
  pair.wait(10s);
  EXPECT_EQ(pair.left.installed.size(), 2u);
  EXPECT_EQ(pair.right.installed.size(), 2u);
  pair.expect_working();
}

TEST_P(Rekeying, IkeSaIsReplacedAndKeepsItsChildren) {
  const auto [by_left, pfs] = GetParam();
  Pair pair;
  pair.initiate();
  const auto before = pair.left.status();
  (by_left ? pair.left : pair.right).endpoint.rekey(ByName{"sites", ""}, 6, pair.now);
  pair.pump();
  ASSERT_EQ(pair.left.endpoint.status().size(), 1u);
  ASSERT_EQ(pair.right.endpoint.status().size(), 1u);
  EXPECT_NE(pair.left.status().spi_i, before.spi_i);
  ASSERT_EQ(pair.left.status().children.size(), 1u);
  EXPECT_EQ(pair.left.status().children[0].spi_in, before.children[0].spi_in);
  // The new one works: another rekey, of the child, by the other side.
  (by_left ? pair.right : pair.left).endpoint.rekey(ByName{"sites", "net"}, 7, pair.now);
  pair.pump();
  EXPECT_NE(pair.left.status().children[0].spi_in, before.children[0].spi_in);
  pair.expect_working();
}

INSTANTIATE_TEST_SUITE_P(Rfc7296_2_8, Rekeying, testing::Combine(testing::Bool(), testing::Bool()));

TEST(Rfc7296_2_8, TimeRekeysBothAndNothingEverExpires) {
  auto l = connection(true), r = connection(false);
  for (auto& c : {l, r}) {
    c->children[0].rekey.time = 60s;
    c->children[0].life.time = 66s;
    c->rekey_time = 150s;
    c->over_time = 30s;
  }
  Pair pair(l, r);
  pair.initiate();
  pair.wait(1000s);
  EXPECT_TRUE(pair.left.up() && pair.right.up());
  pair.expect_working();
  EXPECT_FALSE(pair.left.logged("end of its life") || pair.right.logged("end of its life"));
  EXPECT_EQ(pair.left.status().children.size(), 1u);
}

TEST(Rfc7296_2_25, RekeysThatCrossLoseNothing) {
  Pair pair;
  pair.initiate();
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 1, pair.now);
  pair.right.endpoint.rekey(ByName{"sites", "net"}, 2, pair.now);
  pair.pump();
  pair.expect_working();
  pair.wait(20s);
  EXPECT_TRUE(pair.left.up() && pair.right.up());
  pair.expect_working();
}

TEST(Rfc7296_1_4, DeletesTakeBothSidesDown) {
  Pair pair;
  pair.initiate();
  pair.right.endpoint.terminate(ByName{"sites", "net"}, 3, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
  EXPECT_EQ(pair.left.status().state, IkeState::kEstablished);
  pair.left.endpoint.initiate("sites", "net", 4, pair.now);
  pair.pump();
  pair.expect_working();
  pair.left.endpoint.terminate(ByName{"sites", ""}, 5, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.left.endpoint.status().empty() && pair.right.endpoint.status().empty());
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
  EXPECT_TRUE(pair.left.finished.back().ok);
}

TEST(Rfc7296_2_4, LivenessFindsADeadPeerAndRestartsWhereAsked) {
  auto l = connection(true);
  l->dpd_delay = 5s;
  l->children[0].dpd = DpdAction::kRestart;
  Pair pair(l, connection(false));
  pair.initiate();
  pair.wait(20s);
  EXPECT_TRUE(pair.left.up()) << "a peer that answers is alive";
  bool away = true;
  pair.wait(90s, [&](const Datagram&) { return away; });
  EXPECT_TRUE(pair.left.installed.empty());
  pair.wait(70s);
  EXPECT_TRUE(pair.left.up());
}

TEST(Rfc7296_2_4, InitialContactReplacesTheFormerLife) {
  Pair pair;
  pair.initiate();
  Side reborn(9);
  reborn.endpoint.configure({connection(true)}, pair.now);
  std::swap(pair.left.endpoint, reborn.endpoint);
  pair.left.installed.clear();
  pair.initiate();
  EXPECT_EQ(pair.right.endpoint.status().size(), 1u);
  EXPECT_EQ(pair.right.installed.size(), 2u);
  pair.expect_working();
}

TEST(Reload, OnlyWhatChangedIsTouched) {
  auto l2 = connection(true, "second"), r2 = connection(false, "second");
  for (auto& c : {l2, r2}) {
    c->local_id = *Identity::parse("2" + c->local_id.text());
    c->remote_id = *Identity::parse("2" + c->remote_id.text());
    c->children[0].name = "other";
  }
  Pair pair;
  pair.left.endpoint.configure({connection(true), l2}, pair.now);
  pair.right.endpoint.configure({connection(false), r2}, pair.now);
  pair.initiate();
  pair.left.endpoint.initiate("second", "other", 2, pair.now);
  pair.pump();
  ASSERT_EQ(pair.left.endpoint.status().size(), 2u);
  const IkeStatus kept = pair.left.endpoint.status()[0];
  auto changed = connection(true, "second");
  *changed = *l2;
  changed->dpd_delay = 77s;
  pair.left.endpoint.configure({connection(true), changed}, pair.now);
  pair.pump();
  ASSERT_EQ(pair.left.endpoint.status().size(), 1u);
  EXPECT_EQ(pair.left.status().id, kept.id);
  EXPECT_EQ(pair.left.status().children[0].spi_in, kept.children[0].spi_in);
}

TEST(Hostile, GarbageIsCountedAndHarmless) {
  Pair pair;
  pair.initiate();
  const Buffer good = pair.left.sent.back();
  for (std::size_t n = 0; n < good.size(); ++n) {
    Datagram d{{*IpAddress::parse("198.51.100.2"), kIkePort},
               {*IpAddress::parse("198.51.100.1"), kIkePort},
               Buffer(good.begin(), good.begin() + static_cast<long>(n))};
    pair.right.endpoint.receive(d, pair.now);
    d.bytes = good;
    d.bytes[n] ^= 0x41;
    pair.right.endpoint.receive(d, pair.now);
  }
  pair.pump();
  EXPECT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_GT(pair.right.endpoint.counters().malformed, 100u);
  pair.right.endpoint.rekey(ByName{"sites", "net"}, 9, pair.now);
  pair.pump();
  pair.expect_working();
}

TEST(Acquire, BringsTheChildOfThePolicyUp) {
  Pair pair;
  pair.left.endpoint.acquire(PolicyId{7}, {}, {}, pair.now);
  pair.left.endpoint.acquire(PolicyId{7}, {}, {}, pair.now);
  pair.left.endpoint.acquire(PolicyId{8}, {}, {}, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.left.up());
  EXPECT_EQ(pair.left.endpoint.status().size(), 1u);
}

TEST(Rfc4301_4_4_2_1, VolumeLifetimesRekeyAndEnd) {
  Pair pair;
  pair.initiate();
  const SaRef out = pair.left.sas(Direction::kOut).back();
  pair.left.endpoint.expired(out->id, false, pair.now);
  pair.pump();
  EXPECT_FALSE(pair.left.installed.contains(out->id));
  pair.expect_working();
  pair.left.endpoint.expired(pair.left.sas(Direction::kOut).back()->id, true, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.left.status().children.empty());
}

}  // namespace
}  // namespace simplon::ike::test

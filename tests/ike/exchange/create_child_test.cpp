// SPDX-License-Identifier: Apache-2.0
#include "ike/endpoint/endpoint.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

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

INSTANTIATE_TEST_SUITE_P(Rfc7296_2_8, Rekeying, testing::Combine(testing::Bool(), testing::Bool()),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) ? "ByInitiator" : "ByResponder") +
                                  (std::get<1>(info.param) ? "WithPfs" : "WithoutPfs");
                         });

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

TEST(Rfc7296_2_8_1, RekeysThatCrossLeaveTheOneWithoutTheLowestNonce) {
  for (const bool pfs : {false, true})
    for (std::uint8_t seed = 10; seed < 20; ++seed) {
      auto l = connection(true), r = connection(false);
      for (auto& c : {l, r})
        c->children[0].proposals = {
            *Proposal::parse(pfs ? "aes128gcm16-x25519" : "aes128gcm16", ProtocolId::kEsp)};
      Pair pair(l, r);
      pair.left.endpoint = Endpoint(Settings{}, Secret(Buffer(32, seed)));
      pair.left.endpoint.configure({l}, pair.now);
      pair.initiate();
      pair.left.endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);
      pair.right.endpoint.rekey(ByName{"sites", "net"}, 6, pair.now);
      pair.pump();
      pair.expect_working();
      ASSERT_TRUE(pair.left.done(5) && pair.right.done(6)) << int{seed};
      EXPECT_TRUE(pair.left.done(5)->ok && pair.right.done(6)->ok);
      EXPECT_EQ(pair.left.status().children.size(), 1u) << int{seed};
      EXPECT_EQ(pair.right.status().children.size(), 1u);
      EXPECT_FALSE(pair.left.logged("TEMPORARY_FAILURE") || pair.right.logged("TEMPORARY_FAILURE"));
      pair.wait(10s);
      EXPECT_EQ(pair.left.installed.size(), 2u);
      EXPECT_EQ(pair.right.installed.size(), 2u);
      pair.expect_working();
    }
}

TEST(Rfc7296_2_8_1, SoDoRekeysWhoseMessagesAreLostOrMeetADelete) {
  for (unsigned lost = 1; lost <= 10; ++lost)
    for (const bool terminated : {false, true}) {
      Pair pair;
      pair.initiate();
      pair.left.endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);
      pair.right.endpoint.rekey(ByName{"sites", "net"}, 6, pair.now);
      if (terminated) pair.left.endpoint.terminate(ByName{"sites", "net"}, 7, pair.now);
      pair.pump(nth(lost));
      pair.wait(30s);
      EXPECT_EQ(pair.left.status().children.size(), terminated ? 0u : 1u) << lost;
      EXPECT_EQ(pair.left.installed.size(), terminated ? 0u : 2u) << lost;
      EXPECT_EQ(pair.right.installed.size(), terminated ? 0u : 2u) << lost;
      if (!terminated) pair.expect_working();
    }
}

TEST(Rfc7296_2_25_2, AnIkeRekeyThatCrossesANewChildLosesNoChild) {
  auto l = connection(true), r = connection(false);
  for (auto& c : {l, r}) {
    ChildConfig more = c->children[0];
    more.name = "more";
    more.proposals = {*Proposal::parse("aes128gcm16-ecp256", ProtocolId::kEsp)};
    for (auto* side : {&more.selectors.local, &more.selectors.remote})
      side->at(0).ports = {443, 443}, side->at(0).protocol = 6;
    c->children.push_back(more);
  }
  for (const bool child_first : {true, false}) {
    Pair pair(l, r);
    pair.initiate();
    const auto create = [&] { pair.left.endpoint.initiate("sites", "more", 7, pair.now); };
    const auto rekey = [&] { pair.right.endpoint.rekey(ByName{"sites", ""}, 8, pair.now); };
    child_first ? create() : rekey();
    child_first ? rekey() : create();
    pair.pump();
    pair.wait(20s);
    ASSERT_TRUE(pair.left.done(7) && pair.right.done(8));
    EXPECT_EQ(pair.left.endpoint.status().size(), 1u);
    EXPECT_EQ(pair.right.endpoint.status().size(), 1u);
    EXPECT_EQ(pair.left.status().children.size(), pair.left.done(7)->ok ? 2u : 1u);
    EXPECT_EQ(pair.left.status().children.size(), pair.right.status().children.size());
    EXPECT_EQ(pair.left.installed.size(), pair.right.installed.size());
    pair.expect_working();
  }
}

TEST(Rfc7296_2_25_2, IkeRekeysThatCrossEndInOneIkeSa) {
  Pair pair;
  pair.initiate();
  pair.left.endpoint.rekey(ByName{"sites", ""}, 1, pair.now);
  pair.right.endpoint.rekey(ByName{"sites", ""}, 2, pair.now);
  pair.pump();
  pair.wait(40s);
  EXPECT_EQ(pair.left.endpoint.status().size(), 1u);
  EXPECT_EQ(pair.right.endpoint.status().size(), 1u);
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_EQ(pair.left.installed.size(), 2u);
  pair.expect_working();
}

TEST(Rfc7296_2_1, AnyOneLostMessageOfARekeyIsRepeated) {
  for (const bool ike : {false, true})
    for (unsigned lost = 1; lost <= 4; ++lost) {
      Pair pair;
      pair.initiate();
      pair.left.endpoint.rekey(ByName{"sites", ike ? "" : "net"}, 4, pair.now);
      pair.pump(nth(lost));
      pair.wait(10s);
      ASSERT_TRUE(pair.left.up() && pair.right.up()) << lost;
      ASSERT_TRUE(pair.left.done(4)) << lost;
      EXPECT_TRUE(pair.left.done(4)->ok);
      EXPECT_EQ(pair.left.installed.size(), 2u);
      EXPECT_EQ(pair.right.installed.size(), 2u);
      EXPECT_EQ(pair.left.endpoint.status().size(), 1u);
      EXPECT_EQ(pair.right.endpoint.status().size(), 1u);
      pair.expect_working();
    }
}

TEST(Rfc7296_2_8, TheNewSaIsInPlaceBeforeThePeerUsesItAndTheOldGoesLast) {
  Pair pair;
  pair.initiate();
  pair.left.order.clear();
  pair.right.order.clear();
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 4, pair.now);
  pair.pump();
  pair.wait(10s);
  EXPECT_THAT(pair.left.order, testing::ElementsAre("datagram", "in", "out", "datagram", "remove", "remove"));
  EXPECT_THAT(pair.right.order,
              testing::ElementsAre("in", "datagram", "out", "remove", "datagram", "remove"));
}

TEST(Rfc7296_1_3, ChildInvalidKePayloadLeadsToTheOtherGroup) {
  auto l = connection(true), r = connection(false);
  l->children[0].proposals = {*Proposal::parse("aes128gcm16-x25519-ecp256", ProtocolId::kEsp)};
  r->children[0].proposals = {*Proposal::parse("aes128gcm16-ecp256", ProtocolId::kEsp)};
  Pair pair(l, r);
  pair.initiate();
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 4, pair.now);
  pair.pump();
  ASSERT_TRUE(pair.left.done(4));
  EXPECT_TRUE(pair.left.done(4)->ok);
  EXPECT_EQ(pair.left.status().children[0].group, DhGroup::kEcp256);
  pair.expect_working();
}

TEST(Rfc7296_2_25, AnswersThatMakeNoSenseEndTheAttempt) {
  // CHILD_SA_NOT_FOUND to a child that replaces none; INVALID_KE_PAYLOAD for ever.
  for (const bool not_found : {true, false}) {
    auto l = connection(true);
    l->children[0].proposals = {*Proposal::parse("aes128gcm16-x25519-ecp256", ProtocolId::kEsp)};
    Pair pair;
    pair.left.endpoint.configure({l}, pair.now);
    pair.left.endpoint.initiate("sites", "", 0, pair.now);
    BarePeer peer(pair.left, pair.now);
    peer.answer_init();
    ASSERT_TRUE(peer.hear());
    peer.say(Exchange::kIkeAuth, true, 1, peer.authenticated());
    pair.left.endpoint.initiate("sites", "net", 2, pair.now);
    unsigned asked = 0;
    while (const auto request = peer.hear()) {
      ASSERT_LT(++asked, 10u);
      PayloadWriter out;
      if (not_found) {
        out.notify(NotifyType::kChildSaNotFound, {}, ProtocolId::kEsp, spi_bytes(0x1234));
      } else {
        Writer other;
        other.be16(request->payloads.ke->group == 31 ? 19 : 31);
        out.notify(NotifyType::kInvalidKePayload, other.view());
      }
      peer.say(Exchange::kCreateChildSa, true, request->header.message_id, out);
    }
    ASSERT_TRUE(pair.left.done(2));
    EXPECT_FALSE(pair.left.done(2)->ok);
  }
}

TEST(Rfc7296_1_3_1, ARekeyThatFailsForPfsIsTriedLessAndLess) {
  auto l = connection(true);
  l->children[0].proposals = {*Proposal::parse("aes128gcm16-x25519", ProtocolId::kEsp)};
  l->children[0].rekey.time = 60s;
  l->children[0].life.time = 600s;
  Pair pair(l, connection(false));
  pair.initiate();
  pair.wait(500s);
  EXPECT_TRUE(pair.left.logged("NO_PROPOSAL_CHOSEN; we offered aes128gcm16-x25519 for 198.18.1.0/24"));
  EXPECT_TRUE(pair.right.logged(
      "offered aes128gcm16-x25519; we take aes128gcm16; no key exchange in common for child net"));
  const auto tries = std::ranges::count_if(pair.left.log, [](const std::string& line) {
    return line.find("NO_PROPOSAL_CHOSEN") != std::string::npos;
  });
  EXPECT_GE(tries, 5);
  EXPECT_LE(tries, 9);
  pair.expect_working();
}

TEST(Rfc7296_1_3_1, PfsIsTakenWhereBothHaveItAndGoesWithoutWhereOneHasNot) {
  for (const auto& [theirs, group] :
       {std::pair("aes128gcm16", DhGroup::kNone), std::pair("aes128gcm16-modp2048", DhGroup::kModp2048),
        std::pair("aes128gcm16-x25519-none", DhGroup::kX25519)})
    for (const bool by_left : {true, false}) {
      auto l = connection(true), r = connection(false);
      l->children[0].proposals = {*Proposal::parse("aes128gcm16-x25519-modp2048-none", ProtocolId::kEsp)};
      r->children[0].proposals = {*Proposal::parse(theirs, ProtocolId::kEsp)};
      Pair pair(l, r);
      pair.initiate();
      Side& side = by_left ? pair.left : pair.right;
      side.endpoint.rekey(ByName{"sites", "net"}, 4, pair.now);
      pair.pump();
      ASSERT_TRUE(side.done(4));
      EXPECT_TRUE(side.done(4)->ok) << theirs;
      EXPECT_EQ(pair.left.status().children[0].group.value_or(DhGroup::kNone), group) << theirs;
      pair.expect_working();
    }
}

TEST(Rfc7296_2_21_3, AnAnsweredChildThatWeCannotTakeIsDeletedOverThere) {
  // Another cipher than was offered; a public value that is not valid.
  for (const bool other_cipher : {true, false}) {
    Side side(1);
    Now now{1000s};
    auto c = connection(true);
    c->children[0].proposals = {*Proposal::parse("aes128gcm16-x25519", ProtocolId::kEsp)};
    side.endpoint.configure({c}, now);
    BarePeer peer(side, now);
    peer.authenticate_without_child();
    side.endpoint.initiate("sites", "net", 2, now);
    const auto request = peer.hear();
    ASSERT_TRUE(request);
    PayloadWriter out;
    BarePeer::add_child(out, other_cipher ? "aes256gcm16-x25519" : "aes128gcm16-x25519", 0x1000);
    out.nonce(Buffer(32, 9));
    out.ke(DhGroup::kX25519, Buffer(32, other_cipher ? 9 : 0));
    peer.say(Exchange::kCreateChildSa, true, request->header.message_id, out);
    const auto deletes = peer.hear();
    ASSERT_TRUE(deletes && side.done(2));
    EXPECT_FALSE(side.done(2)->ok);
    ASSERT_EQ(deletes->payloads.deletes.size(), 1u);
    EXPECT_EQ(deletes->payloads.deletes[0].spis[0], (*request->payloads.sa)[0].spi);
  }
}

TEST(Rfc7296_2_25, WhoeverAskedForARekeyWaitsThroughACollision) {
  for (const bool ike : {false, true}) {
    Side side(1);
    Now now{1000s};
    side.endpoint.configure({connection(true)}, now);
    BarePeer peer(side, now);
    peer.authenticate_with_child(0x1000);
    side.endpoint.rekey(ByName{"sites", ike ? "" : "net"}, 3, now);
    PayloadWriter out;
    out.notify(NotifyType::kTemporaryFailure);
    unsigned asked = 0;
    for (const Now end = now + 100s; now < end && !side.done(3); side.endpoint.tick(now += 100ms))
      while (const auto request = peer.hear()) {
        ++asked;
        peer.say(Exchange::kCreateChildSa, true, request->header.message_id, out);
      }
    EXPECT_EQ(asked, 11u);
    ASSERT_TRUE(side.done(3)) << "but not for ever";
    EXPECT_FALSE(side.done(3)->ok);
  }
}

TEST(Rfc7296_2_25_1, AChildThatIsGoneOverThereIsMadeAnew) {
  Pair pair;
  pair.initiate();
  // The peer loses the child, and its delete is lost with it.
  pair.right.endpoint.terminate(ByName{"sites", "net"}, 0, pair.now);
  pair.right.drain([](Datagram&) {}, pair.now);
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 3, pair.now);
  pair.wait(20s);
  pair.left.endpoint.initiate("sites", "net", 5, pair.now);
  pair.pump();
  pair.expect_working();
}

TEST(Terminate, ADeleteThatMeetsARekeyDeletesTheReplacement) {
  Pair pair;
  pair.initiate();
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 1, pair.now);
  pair.left.endpoint.terminate(ByName{"sites", "net"}, 2, pair.now);
  pair.pump();
  pair.wait(10s);
  ASSERT_TRUE(pair.left.done(2));
  EXPECT_TRUE(pair.left.done(2)->ok);
  EXPECT_TRUE(pair.left.status().children.empty());
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
}

}  // namespace
}  // namespace simplon::ike::test

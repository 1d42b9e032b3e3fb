// SPDX-License-Identifier: Apache-2.0
// The peer replaces children, and we do: in every order of the messages.
#include "ike/endpoint/endpoint.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

TEST(Rfc7296_2_25, AChildWhoseResponseIsUnderWayIsRekeyedLater) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  peer.authenticate_with_child(0x1000);
  side.endpoint.rekey(ByName{"sites", "net"}, 1, now);
  ASSERT_TRUE(peer.hear());
  // Our request was answered, by a child with SPI 0x2000; the peer's rekey of it overtakes that response.
  peer.say(Exchange::kCreateChildSa, false, 2, rekey_of(0x2000, 0x2001));
  const auto refused = peer.hear();
  ASSERT_TRUE(refused);
  EXPECT_NE(refused->payloads.find(NotifyType::kTemporaryFailure), nullptr);
  peer.say(Exchange::kCreateChildSa, true, 0, made(0x2000));
  const auto deletes = peer.hear();
  ASSERT_TRUE(deletes && side.done(1));
  EXPECT_TRUE(side.done(1)->ok);
  // Without a request of ours it is not found.
  peer.say(Exchange::kInformational, true, deletes->header.message_id, {});
  peer.say(Exchange::kCreateChildSa, false, 3, rekey_of(0x3000, 0x3001));
  const auto unknown = peer.hear();
  ASSERT_TRUE(unknown);
  EXPECT_NE(unknown->payloads.find(NotifyType::kChildSaNotFound), nullptr);
}

// The child with SPI 0x1000 at the peer was rekeyed by us, to 0x2000; our delete of it is under way.
class Rfc7296_2_25_1_Concluding : public testing::Test {
 protected:
  void SetUp() override {
    side.endpoint.configure({connection(true)}, now);
    peer.authenticate_with_child(0x1000);
    side.endpoint.rekey(ByName{"sites", "net"}, 1, now);
    ASSERT_TRUE(peer.hear());
    peer.say(Exchange::kCreateChildSa, true, 0, made(0x2000));
    const auto deletes = peer.hear();
    ASSERT_TRUE(deletes && !deletes->payloads.deletes.empty());
    delete_id = deletes->header.message_id;
  }
  void answer_delete() { peer.say(Exchange::kInformational, true, delete_id, {}); }

  Side side{1};
  Now now{1000s};
  BarePeer peer{side, now};
  std::uint32_t delete_id = 0;
};

TEST_F(Rfc7296_2_25_1_Concluding, AReplacementIsReplacedWhenTheOldChildIsDeleted) {
  peer.say(Exchange::kCreateChildSa, false, 2, rekey_of(0x2000, 0x2001));
  peer.say_again();
  ASSERT_EQ(peer.waiting(), 0u);
  answer_delete();
  const auto answer = peer.hear();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header.message_id, 2u);
  EXPECT_TRUE(answer->payloads.sa);
  EXPECT_EQ(side.status().children.size(), 2u);
  EXPECT_EQ(peer.waiting(), 0u);
}

// strongSwan 5.9 forgets that it agreed to our rekey when its own one is refused before it hears of the
// delete.
TEST_F(Rfc7296_2_25_1_Concluding, TheRekeyOfAChildThatWeDeleteIsRefusedWhenItIsDeleted) {
  peer.say(Exchange::kCreateChildSa, false, 2, rekey_of(0x1000, 0x1001));
  ASSERT_EQ(peer.waiting(), 0u);
  answer_delete();
  const auto answer = peer.hear();
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->payloads.find(NotifyType::kTemporaryFailure), nullptr);
  ASSERT_EQ(side.status().children.size(), 1u);
  EXPECT_EQ(side.status().children[0].spi_out, Spi{0x2000});
  peer.say(Exchange::kInformational, false, 3, {});
  EXPECT_TRUE(peer.hear());
}

TEST_F(Rfc7296_2_25_1_Concluding, APeerThatAnswersOneAfterTheOtherIsNotWaitedForForEver) {
  for (const std::uint32_t spi : {0x1000u, 0x2000u}) {
    const std::uint32_t id = spi == 0x1000 ? 2 : 3;
    peer.say(Exchange::kCreateChildSa, false, id, rekey_of(spi, 0x3000));
    now += 4s;
    peer.say_again();
    ASSERT_EQ(peer.waiting(), 0u);
    now += 2s;
    peer.say_again();
    const auto answer = peer.hear();
    ASSERT_TRUE(answer);
    EXPECT_NE(answer->payloads.find(NotifyType::kTemporaryFailure), nullptr);
  }
  answer_delete();
  EXPECT_EQ(peer.waiting(), 0u) << "it has been answered";
  EXPECT_EQ(side.status().children.size(), 1u);
}

// strongSwan 6.0.1 never sends through a replacement that it agrees to while a rekey of its own has not
// concluded.
TEST(Rfc7296_2_8_1, AReplacementIsReplacedWhenItsRivalAndTheOldChildAreDeleted) {
  for (const bool ours : {true, false}) {
    Side side(1);
    Now now{1000s};
    side.endpoint.configure({connection(true)}, now);
    BarePeer peer(side, now);
    peer.authenticate_with_child(0x1000);
    if (ours) side.endpoint.rekey(ByName{"sites", "net"}, 1, now);
    peer.say(Exchange::kCreateChildSa, false, 2, rekey_of(0x1000, 0x1001, ours ? 0 : 8));
    std::uint32_t next = 0;
    if (ours) {  // both replace it; the lowest nonce is the peer's
      ASSERT_TRUE(peer.hear());
      peer.say(Exchange::kCreateChildSa, true, next++, made(0x2000));
    }
    ASSERT_TRUE(peer.hear());
    if (ours) {
      ASSERT_EQ(peer.hear()->payloads.deletes.size(), 1u);
      peer.say(Exchange::kInformational, true, next++, {});
    }
    const ChildStatus newest = side.status().children.back();
    side.endpoint.active(newest.inbound, now);
    side.endpoint.rekey(ChildSaOnly{newest.id}, 2, now);
    for (int i = 0; i < 20; ++i) side.endpoint.tick(now += 500ms);
    ASSERT_EQ(peer.waiting(), 0u) << ours;
    peer.say(Exchange::kInformational, false, 3, deleted(ours ? 0x1001 : 0x1000));
    ASSERT_TRUE(peer.hear());
    side.endpoint.tick(now += 500ms);
    const auto rekey = peer.hear();
    ASSERT_TRUE(rekey) << ours;
    EXPECT_NE(rekey->payloads.find(NotifyType::kRekeySa), nullptr);
    EXPECT_EQ(rekey->header.message_id, next);
  }
}

TEST(Rfc7296_2_8_1, ItIsSettledAsWellWhenOursIsMadeWhileThePeersKeyExchangeIsComputed) {
  for (const bool ours_goes : {false, true}) {
    Side side(1);
    Now now{1000s};
    auto c = connection(true);
    c->children[0].proposals = {*Proposal::parse("aes128gcm16-x25519", ProtocolId::kEsp)};
    side.endpoint.configure({c}, now);
    BarePeer peer(side, now);
    peer.authenticate_with_child(0x1000);
    side.endpoint.rekey(ByName{"sites", "net"}, 1, now);
    ASSERT_TRUE(peer.hear());
    std::vector<JobResult> done;
    side.work_done = [&](JobResult result) { done.push_back(std::move(result)); };
    const Buffer value = run(DiffieHellman{DhGroup::kX25519, Secret(Buffer(64, 3)), {}}).public_value;
    PayloadWriter request = rekey_of(0x1000, 0x1001, ours_goes ? 0xff : 0, "aes128gcm16-x25519");
    request.ke(DhGroup::kX25519, value);
    peer.say(Exchange::kCreateChildSa, false, 2, request);
    ASSERT_EQ(peer.waiting(), 0u);
    PayloadWriter response = made(0x2000, ours_goes ? 0 : 0xff, "aes128gcm16-x25519");
    response.ke(DhGroup::kX25519, value);
    peer.say(Exchange::kCreateChildSa, true, 0, response);
    ASSERT_EQ(peer.waiting(), 0u);
    ASSERT_EQ(done.size(), 2u);
    side.endpoint.complete(done[1], now);
    side.endpoint.complete(done[0], now);
    const auto answer = peer.hear(), deletes = peer.hear();
    ASSERT_TRUE(answer && answer->payloads.sa && deletes && !deletes->payloads.deletes.empty());
    const auto children = side.status().children;  // the old one, ours, theirs
    ASSERT_EQ(children.size(), 3u);
    EXPECT_EQ(deletes->payloads.deletes[0].spis[0], be32(children[ours_goes ? 1 : 0].spi_in));
    EXPECT_EQ(children[ours_goes ? 2 : 1].state, ChildState::kInstalled);
    EXPECT_EQ(children[ours_goes ? 0 : 2].state, ChildState::kRekeyed);
  }
}

// libreswan 5.2 does not compare nonces: it keeps the replacement that it made last.
TEST(Rfc7296_2_8_1, OfTwoReplacementsThatThePeerBothKeepsTheOneStaysThatItSendsThrough) {
  for (const bool through_its_own : {true, false}) {
    Side side(1);
    Now now{1000s};
    side.endpoint.configure({connection(true)}, now);
    BarePeer peer(side, now);
    peer.authenticate_with_child(0x1000);
    side.endpoint.rekey(ByName{"sites", "net"}, 1, now);
    peer.say(Exchange::kCreateChildSa, false, 2, rekey_of(0x1000, 0x1001, 0));
    ASSERT_TRUE(peer.hear());
    peer.say(Exchange::kCreateChildSa, true, 0, made(0x2000));
    ASSERT_EQ(peer.waiting(), 2u);
    peer.skip(), peer.skip();
    peer.say(Exchange::kInformational, true, 1, {});
    ASSERT_EQ(side.status().children.size(), 2u);
    ASSERT_EQ(side.outbound.back()->spi, Spi{0x2000});
    const ChildStatus theirs = side.status().children[0], ours = side.status().children[1];
    for (int i = 0; i < 59; ++i) {
      side.endpoint.tick(now += 1s);
      side.endpoint.active(through_its_own || i < 10 ? theirs.inbound : ours.inbound, now);
    }
    ASSERT_EQ(peer.waiting(), 0u);
    side.endpoint.tick(now += 2s);
    const auto deletes = peer.hear();
    ASSERT_TRUE(deletes && deletes->payloads.deletes.size() == 1);
    EXPECT_EQ(deletes->payloads.deletes[0].spis[0], be32((through_its_own ? ours : theirs).spi_in));
    EXPECT_EQ(side.outbound.back()->spi, (through_its_own ? theirs : ours).spi_out);
    peer.say(Exchange::kInformational, true, deletes->header.message_id, {});
    ASSERT_EQ(side.status().children.size(), 1u);
    EXPECT_EQ(side.status().children[0].id, (through_its_own ? theirs : ours).id);
    EXPECT_EQ(side.status().children[0].state, ChildState::kInstalled);
    side.endpoint.tick(now += 10s);
    EXPECT_EQ(peer.waiting(), 0u);
    EXPECT_EQ(side.sas(Direction::kIn).size(), 1u);
    side.endpoint.rekey(ByName{"sites", "net"}, 2, now);
    EXPECT_TRUE(peer.hear()) << "it lives on";
  }
}

TEST(Rfc7296_2_8, AReplacementThatThePeerDeletesLeavesTheOldChildInstalled) {
  for (const bool wanted_gone : {false, true}) {
    Side side(1);
    Now now{1000s};
    auto c = connection(true);
    c->children[0].close = CloseAction::kStart;
    side.endpoint.configure({c}, now);
    BarePeer peer(side, now);
    peer.authenticate_with_child(0x1000);
    peer.say(Exchange::kCreateChildSa, false, 2, rekey_of(0x1000, 0x1001));
    ASSERT_TRUE(peer.hear());
    ASSERT_EQ(side.status().children.size(), 2u);
    if (wanted_gone) side.endpoint.terminate(ByName{"sites", "net"}, 1, now);
    ASSERT_EQ(peer.waiting(), 0u) << "the peer may not know the new child yet";
    peer.say(Exchange::kInformational, false, 3, deleted(0x1001));
    ASSERT_TRUE(peer.hear());
    ASSERT_EQ(side.status().children.size(), 1u);
    EXPECT_EQ(side.outbound.back()->spi, Spi{0x1000});
    if (wanted_gone) {
      side.endpoint.tick(now += 1s);
      const auto deletes = peer.hear();
      ASSERT_TRUE(deletes) << "whoever wanted the child deleted means this one";
      EXPECT_EQ(deletes->payloads.deletes[0].spis[0], be32(side.status().children[0].spi_in));
      continue;
    }
    EXPECT_EQ(side.status().children[0].state, ChildState::kInstalled);
    EXPECT_EQ(peer.waiting(), 0u) << "nothing is missing";
    side.endpoint.rekey(ByName{"sites", "net"}, 2, now);
    const auto rekey = peer.hear();
    ASSERT_TRUE(rekey);
    EXPECT_NE(rekey->payloads.find(NotifyType::kRekeySa), nullptr);
  }
}

TEST(Rfc7296_2_8_1, TwoNewChildrenThatBothEndsMakeAtOnceAreNoRivals) {
  auto l = connection(true), r = connection(false);
  for (auto& c : {l, r}) {
    ChildConfig more = c->children[0];
    more.name = "more";
    for (auto* side : {&more.selectors.local, &more.selectors.remote})
      side->at(0).ports = {443, 443}, side->at(0).protocol = 6;
    c->children.push_back(more);
    c->children[0].selectors.local[0].protocol = c->children[0].selectors.remote[0].protocol = 17;
  }
  Pair pair(l, r);
  pair.initiate();
  ASSERT_EQ(pair.left.status().children.size(), 1u);
  pair.left.endpoint.initiate("sites", "more", 2, pair.now);
  pair.right.endpoint.initiate("sites", "net", 3, pair.now);
  pair.pump();
  pair.wait(70s);
  EXPECT_TRUE(pair.left.done(2)->ok && pair.right.done(3)->ok);
  for (const Side* side : {&pair.left, &pair.right}) {
    const auto children = side->status().children;
    EXPECT_TRUE(std::ranges::any_of(children, [](const auto& c) { return c.name == "more"; }));
    EXPECT_TRUE(std::ranges::any_of(children, [](const auto& c) { return c.name == "net"; }));
    EXPECT_EQ(children.size(), 3u);
  }
}

}  // namespace
}  // namespace simplon::ike::test

// SPDX-License-Identifier: Apache-2.0
#include "ike/endpoint/endpoint.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

TEST(Rfc7296_2_17, AnInvalidPublicValueRefusesTheRekeyAndTheOldChildLives) {
  Side side(1);
  Now now{1000s};
  auto c = connection(true);
  c->children[0].proposals = {*Proposal::parse("aes128gcm16-x25519", ProtocolId::kEsp)};
  side.endpoint.configure({c}, now);
  BarePeer peer(side, now);
  peer.initiate();
  PayloadWriter auth = peer.authenticated();
  auto esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
  esp.spi = spi_bytes(0x1000);
  auth.sa({esp});
  auth.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.2.0/24")});
  auth.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.1.0/24")});
  peer.say(Exchange::kIkeAuth, false, 1, auth);
  ASSERT_TRUE(peer.hear());
  ASSERT_TRUE(side.up());
  PayloadWriter out;
  esp = *Proposal::parse("aes128gcm16-x25519", ProtocolId::kEsp);
  esp.spi = spi_bytes(0x1001);
  out.notify(NotifyType::kRekeySa, {}, ProtocolId::kEsp, spi_bytes(0x1000));
  out.sa({esp});
  out.nonce(Buffer(32, 8));
  out.ke(DhGroup::kX25519, Buffer(32, 0));  // low order: the shared secret would be zero
  out.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.2.0/24")});
  out.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.1.0/24")});
  peer.say(Exchange::kCreateChildSa, false, 2, out);
  const auto answer = peer.hear();
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->payloads.find(NotifyType::kNoProposalChosen), nullptr);
  ASSERT_EQ(side.status().children.size(), 1u);
  EXPECT_EQ(side.status().children[0].state, ChildState::kInstalled);
}

TEST(Rfc7296_2_17, APublicValueOfAnotherLengthIsRefusedBeforeItCostsAnything) {
  for (const bool ike : {false, true}) {
    Side side(1);
    Now now{1000s};
    auto c = connection(true);
    c->children[0].proposals = {*Proposal::parse("aes128gcm16-x25519", ProtocolId::kEsp)};
    side.endpoint.configure({c}, now);
    BarePeer peer(side, now);
    peer.authenticate_without_child();
    PayloadWriter out;
    if (ike) {
      auto proposal = c->proposals[0];
      proposal.spi = Buffer(8, 1);
      out.sa({proposal});
    } else {
      BarePeer::add_child(out, "aes128gcm16-x25519", 0x1000);
    }
    out.nonce(Buffer(32, 8));
    out.ke(DhGroup::kX25519, Buffer(4096, 9));
    const std::size_t before = side.jobs;
    peer.say(Exchange::kCreateChildSa, false, 2, out);
    const auto answer = peer.hear();
    ASSERT_TRUE(answer);
    EXPECT_NE(answer->payloads.find(NotifyType::kNoProposalChosen), nullptr);
    EXPECT_EQ(side.jobs, before);
    EXPECT_EQ(side.status().state, IkeState::kEstablished);
  }
}

TEST(Rfc7296_2_21_3, AProposalOfUnknownTransformsIsRefusedAndTheIkeSaLives) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  peer.authenticate_without_child();
  PayloadWriter out;
  out.add(PayloadType::kSa, Buffer{0, 0, 0, 20, 1, 3, 4, 1, 0, 0, 0x10, 0, 0, 0, 0, 8, 1, 0, 0x03, 0xe7});
  out.nonce(Buffer(32, 8));
  out.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.2.0/24")});
  out.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.1.0/24")});
  peer.say(Exchange::kCreateChildSa, false, 2, out);
  const auto answer = peer.hear();
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->payloads.find(NotifyType::kNoProposalChosen), nullptr);
  EXPECT_EQ(side.status().state, IkeState::kEstablished);
}

TEST(Rfc7296_1_3, AnAuthenticatedPeerDoesNotGetChildrenForEverMore) {
  Side side(1);
  Now now{1000s};
  side.endpoint.configure({connection(true)}, now);
  BarePeer peer(side, now);
  peer.authenticate_without_child();
  for (std::uint32_t i = 0; i < 21; ++i) {
    PayloadWriter out;
    BarePeer::add_child(out, "aes128gcm16", 0x1000 + i);
    out.nonce(Buffer(32, 8));
    peer.say(Exchange::kCreateChildSa, false, 2 + i, out);
    const auto answer = peer.hear();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->payloads.find(NotifyType::kNoAdditionalSas) != nullptr, i == 20) << i;
  }
  EXPECT_EQ(side.status().children.size(), 20u);
}

PayloadWriter rekey_of(std::uint32_t spi, std::uint32_t new_spi) {
  PayloadWriter out;
  out.notify(NotifyType::kRekeySa, {}, ProtocolId::kEsp, spi_bytes(spi));
  BarePeer::add_child(out, "aes128gcm16", new_spi);
  out.nonce(Buffer(32, 8));
  return out;
}

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
  PayloadWriter out;
  auto esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
  esp.spi = spi_bytes(0x2000);
  out.sa({esp});
  out.nonce(Buffer(32, 9));
  out.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.1.0/24")});
  out.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.2.0/24")});
  peer.say(Exchange::kCreateChildSa, true, 0, out);
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
    PayloadWriter out;
    auto esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
    esp.spi = spi_bytes(0x2000);
    out.sa({esp});
    out.nonce(Buffer(32, 9));
    out.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.1.0/24")});
    out.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.2.0/24")});
    peer.say(Exchange::kCreateChildSa, true, 0, out);
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
    PayloadWriter out;
    out.del(ProtocolId::kEsp, {spi_bytes(0x1001)});
    peer.say(Exchange::kInformational, false, 3, out);
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

TEST(Rfc7296_2_25, AChildMadeForThePeerIsNotRekeyedBeforeThePeerHasIt) {
  for (const int proof : {0, 1, 2}) {  // another request, a packet, or that it does not ask any more
    Side side(1);
    Now now{1000s};
    side.endpoint.configure({connection(true)}, now);
    BarePeer peer(side, now);
    peer.authenticate_without_child();
    PayloadWriter out;
    BarePeer::add_child(out, "aes128gcm16", 0x1000);
    out.nonce(Buffer(32, 8));
    peer.say(Exchange::kCreateChildSa, false, 2, out);
    ASSERT_TRUE(peer.hear());
    side.endpoint.rekey(ByName{"sites", "net"}, 1, now);
    const auto wait = [&](std::chrono::seconds time) {
      for (const Now end = now + time; now < end; side.endpoint.tick(now)) now += 100ms;
    };
    wait(20s);
    peer.say_again();
    ASSERT_TRUE(peer.hear());
    wait(20s);
    ASSERT_EQ(peer.waiting(), 0u);
    if (proof == 0) {
      peer.say(Exchange::kInformational, false, 3, {});
      ASSERT_TRUE(peer.hear());
    }
    if (proof == 1) side.endpoint.active(side.status().children[0].inbound, now);
    wait(proof == 2 ? 11s : 1s);
    const auto rekey = peer.hear();
    ASSERT_TRUE(rekey) << proof;
    EXPECT_NE(rekey->payloads.find(NotifyType::kRekeySa), nullptr);
  }
}

}  // namespace
}  // namespace simplon::ike::test

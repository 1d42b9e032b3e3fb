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

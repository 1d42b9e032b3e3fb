// SPDX-License-Identifier: Apache-2.0
// ESP_TFC_PADDING_NOT_SUPPORTED (RFC 7296 §1.3.1): a peer that says it gets no padding in the child that its
// message is about, whoever asked for that.
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

std::shared_ptr<Connection> padded(bool left) {
  auto c = connection(left);
  c->children[0].tunnel = {.ttl = 33, .tfc = kTfcMtu, .dummies = 5};
  return c;
}

TunnelOptions options(bool takes) { return {.ttl = 33, .tfc = takes ? kTfcMtu : kTfcOff, .dummies = 5}; }

TEST(Rfc7296_1_3_1, OfTwoThatTakeItEachPadsAndKeepsItOverARekey) {
  Pair pair(padded(true), padded(false));
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  const auto expect_padded = [&] {
    for (const Side* side : {&pair.left, &pair.right}) {
      EXPECT_EQ(side->outbound.back()->tunnel, options(true));
      for (const SaRef& sa : side->sas(Direction::kIn)) EXPECT_EQ(sa->tunnel, TunnelOptions{});
      EXPECT_EQ(side->status().children.back().tfc, kTfcMtu);
      EXPECT_EQ(side->status().children.back().dummies, 5);
      EXPECT_FALSE(side->logged("without TFC"));
    }
  };
  expect_padded();
  for (Side* side : {&pair.left, &pair.right}) {
    side->endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);
    pair.pump();
    pair.wait(10s);
    EXPECT_TRUE(side->done(5) && side->done(5)->ok);
    expect_padded();
    pair.expect_working();
  }
}

// A responder's answer for the child that these payloads ask for.
void answer_child(PayloadWriter& out, const Payloads& request, std::uint32_t spi, bool takes) {
  if (!takes) out.notify(NotifyType::kEspTfcPaddingNotSupported);
  Proposal chosen = (*request.sa)[0];
  chosen.spi = spi_bytes(spi);
  out.sa({chosen});
  out.ts(PayloadType::kTsi, *request.tsi);
  out.ts(PayloadType::kTsr, *request.tsr);
}

// In IKE_AUTH, and in each rekey anew.
TEST(Rfc7296_1_3_1, AnInitiatorHeedsWhatTheResponderSays) {
  for (const bool first : {true, false}) {
    Side side(1);
    Now now{1000s};
    side.endpoint.configure({padded(true)}, now);
    side.endpoint.initiate("sites", "net", 1, now);
    BarePeer peer(side, now);
    peer.answer_init();
    const auto asked = peer.hear();
    ASSERT_TRUE(asked);
    EXPECT_FALSE(asked->payloads.find(NotifyType::kEspTfcPaddingNotSupported)) << "we take it";
    PayloadWriter out = peer.authenticated();
    answer_child(out, asked->payloads, 0x1000, first);
    peer.say(Exchange::kIkeAuth, true, 1, out);
    EXPECT_EQ(peer.waiting(), 0u);
    ASSERT_EQ(side.outbound.size(), 1u);
    EXPECT_EQ(side.outbound.back()->tunnel, options(first));
    EXPECT_EQ(side.logged("without TFC, which the peer does not take"), !first);
    bool takes = first;
    for (std::uint32_t spi : {0x2000, 0x3000}) {
      takes = !takes;
      side.endpoint.rekey(ByName{"sites", "net"}, spi, now);
      const auto rekey = peer.hear();
      ASSERT_TRUE(rekey && rekey->payloads.sa && rekey->payloads.find(NotifyType::kRekeySa));
      PayloadWriter again;
      answer_child(again, rekey->payloads, spi, takes);
      again.nonce(Buffer(32, 0x44));
      peer.say(Exchange::kCreateChildSa, true, rekey->header.message_id, again);
      const auto deleted = peer.hear();  // of the old one
      ASSERT_TRUE(deleted);
      PayloadWriter empty;
      peer.say(Exchange::kInformational, true, deleted->header.message_id, empty);
      EXPECT_EQ(peer.waiting(), 0u);
      EXPECT_EQ(side.outbound.back()->spi, Spi{spi});
      EXPECT_EQ(side.outbound.back()->tunnel, options(takes)) << std::hex << spi;
    }
  }
}

TEST(Rfc7296_1_3_1, AResponderHeedsWhatTheInitiatorSays) {
  for (const bool first : {true, false}) {
    Side side(1);
    Now now{1000s};
    side.endpoint.configure({padded(true)}, now);
    BarePeer peer(side, now);
    peer.initiate();
    PayloadWriter out = peer.authenticated();
    if (!first) out.notify(NotifyType::kEspTfcPaddingNotSupported);
    BarePeer::add_child(out, "aes128gcm16", 0x1000);
    peer.say(Exchange::kIkeAuth, false, 1, out);
    const auto answer = peer.hear();
    ASSERT_TRUE(answer && answer->payloads.sa);
    EXPECT_FALSE(answer->payloads.find(NotifyType::kEspTfcPaddingNotSupported)) << "we take it";
    ASSERT_EQ(side.outbound.size(), 1u);
    EXPECT_EQ(side.outbound.back()->tunnel, options(first));
    EXPECT_EQ(side.logged("without TFC, which the peer does not take"), !first);
    const auto tfc_of = [&](std::uint32_t spi) {
      const auto children = side.status().children;
      const auto found = std::ranges::find(children, Spi{spi}, &ChildStatus::spi_out);
      EXPECT_NE(found, children.end());
      return found == children.end() ? std::uint16_t{1} : found->tfc;
    };
    PayloadWriter rekey;
    rekey.notify(NotifyType::kRekeySa, {}, ProtocolId::kEsp, spi_bytes(0x1000));
    if (first) rekey.notify(NotifyType::kEspTfcPaddingNotSupported);
    BarePeer::add_child(rekey, "aes128gcm16", 0x2000);
    rekey.nonce(Buffer(32, 0x44));
    peer.say(Exchange::kCreateChildSa, false, 2, rekey);
    ASSERT_TRUE(peer.hear());
    EXPECT_EQ(tfc_of(0x2000), first ? kTfcOff : kTfcMtu);
    EXPECT_EQ(tfc_of(0x1000), first ? kTfcMtu : kTfcOff) << "the old one as it was agreed";
  }
}

}  // namespace
}  // namespace simplon::ike::test

// SPDX-License-Identifier: Apache-2.0
#include "ike/message/payload.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

bool says(const Side& side, NotifyType type) {
  const Buffer& init = side.sent.at(0);
  return parse_payloads(parse_header(init)->next, Bytes(init).subspan(kHeaderBytes))->find(type) != nullptr;
}

TEST(Rfc6023_3, TheResponderAloneSaysThatAChildNeedNotBeAskedFor) {
  Pair pair;
  pair.initiate();
  EXPECT_TRUE(says(pair.right, NotifyType::kChildlessIkev2Supported));
  EXPECT_FALSE(says(pair.left, NotifyType::kChildlessIkev2Supported));
}

TEST(Rfc6023_4, AnIkeSaWithoutAChildIsUpAndTakesOneLater) {
  Pair pair;
  BarePeer peer(pair.left, pair.now);
  peer.authenticate_without_child();
  ASSERT_EQ(pair.left.endpoint.status().size(), 1u);
  EXPECT_EQ(pair.left.status().state, IkeState::kEstablished);
  EXPECT_TRUE(pair.left.status().children.empty());
  PayloadWriter child;
  BarePeer::add_child(child, "aes128gcm16", 0x11111111);
  child.nonce(Buffer(32, 5));
  peer.say(Exchange::kCreateChildSa, false, 2, child);
  const auto answer = peer.hear();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->payloads.sa.has_value());
  EXPECT_EQ(pair.left.status().children.size(), 1u);
}

}  // namespace
}  // namespace simplon::ike::test

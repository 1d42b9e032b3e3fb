// SPDX-License-Identifier: Apache-2.0
// Reauthentication (RFC 7296 §2.8.3) and AUTH_LIFETIME (RFC 4478) with a peer of the wire alone.
#include "tests/ike/reauth.h"

namespace simplon::ike::test {
namespace {

struct Bare {
  explicit Bare(std::shared_ptr<Connection> c) {
    c->dpd_delay = 0s;
    c->rekey_time = 0s;
    c->children[0].rekey.time = c->children[0].life.time = 0s;
    side.endpoint.configure({std::move(c)}, now);
  }
  // We initiate, and it says this in IKE_AUTH.
  void authenticate(const std::vector<Buffer>& lifetimes) {
    side.endpoint.initiate("sites", "net", 1, now);
    old.answer_init();
    ASSERT_TRUE(old.hear());
    PayloadWriter out = old.authenticated();
    answer_net(out);
    for (const Buffer& lifetime : lifetimes) out.notify(NotifyType::kAuthLifetime, lifetime);
    old.say(Exchange::kIkeAuth, true, 1, out);
    ASSERT_TRUE(side.up());
  }
  static void answer_net(PayloadWriter& out) {
    Proposal esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
    esp.spi = spi_bytes(0x1000);
    out.sa({esp});
    out.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.1.0/24")});
    out.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.2.0/24")});
  }
  void wait(std::chrono::milliseconds time) {
    for (const Now end = now + time; now < end;) {
      now += 500ms;
      side.endpoint.tick(now);
    }
  }

  unsigned inits() {
    (void)old.waiting();
    return count_inits(side);
  }

  Now now{1000s};
  Side side{1};
  BarePeer old{side, now}, again{side, now}, theirs{side, now, 0x77};
};

TEST(Rfc4478, TheResponderSaysItsTimeAndEndsTheIkeSaWithIt) {
  Bare bare(site(true, 100s));
  bare.old.initiate();
  PayloadWriter out = bare.old.authenticated();
  BarePeer::add_child(out, "aes128gcm16", 0x1000);
  bare.old.say(Exchange::kIkeAuth, false, 1, out);
  const auto answer = bare.old.hear();
  ASSERT_TRUE(answer);
  const Notify* n = answer->payloads.find(NotifyType::kAuthLifetime);
  ASSERT_NE(n, nullptr);
  EXPECT_EQ(n->data, (Buffer{0, 0, 0, 100}));
  bare.wait(99s);
  EXPECT_EQ(bare.old.waiting(), 0u) << "the responder does not reauthenticate by itself";
  bare.wait(2s);
  const auto gone = bare.old.hear();
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->payloads.deletes.size(), 1u);
  EXPECT_TRUE(bare.side.endpoint.status().empty() && bare.side.installed.empty());
  EXPECT_TRUE(bare.side.logged("the peer did not reauthenticate in time"));
}

TEST(Rfc4478, WithoutATimeNothingIsSaidAndNothingEnds) {
  Bare bare(site(true, 0s));
  bare.old.initiate();
  bare.old.say(Exchange::kIkeAuth, false, 1, bare.old.authenticated());
  const auto answer = bare.old.hear();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->payloads.find(NotifyType::kAuthLifetime), nullptr);
  bare.wait(2000s);
  EXPECT_EQ(bare.side.endpoint.status().size(), 1u);
}

TEST(Rfc4478, WhateverLifetimeIsSaidItIsNotEndless) {
  const auto says = [](const Buffer& lifetime, seconds not_yet) {
    Bare bare(site(true, 0s));
    bare.authenticate({lifetime});
    bare.wait(not_yet);
    const bool early = bare.inits() > 1;
    bare.wait(2s);
    return std::pair(early, bare.inits() > 1);
  };
  using P = std::pair<bool, bool>;
  EXPECT_EQ(says({0, 0, 0, 0}, 9s), P(false, true));
  EXPECT_EQ(says({0, 0, 0, 1}, 9s), P(false, true));
  EXPECT_EQ(says({0, 0, 0, 40}, 19s), P(false, true)) << "half of a short one";
  EXPECT_EQ(says({0, 0, 0, 100}, 69s), P(false, true));
  EXPECT_EQ(says({0, 0, 4, 0}, 921s), P(false, true)) << "a tenth earlier";
  EXPECT_EQ(says({255, 255, 255, 255}, 5000s), P(false, false));
  for (const Buffer& other : {Buffer{}, Buffer{0, 0, 1}, Buffer{0, 0, 0, 0, 1}})
    EXPECT_EQ(says(other, 100s), P(false, false));
}

TEST(Rfc4478, TheResponderMaySayItLater) {
  Bare bare(site(true, 0s));
  bare.authenticate({});
  bare.wait(50s);
  PayloadWriter out;
  out.notify(NotifyType::kAuthLifetime, Buffer{0, 0, 0, 100});
  bare.old.say(Exchange::kInformational, false, 0, out);
  EXPECT_TRUE(bare.old.hear());
  bare.wait(69s);
  EXPECT_EQ(bare.inits(), 1u);
  bare.wait(2s);
  EXPECT_EQ(bare.inits(), 2u);
}

TEST(Rfc4478, ALifetimeThatTheInitiatorSaysIsNotForUs) {
  Bare bare(site(true, 0s));
  bare.old.authenticate_with_child(0x1000);
  PayloadWriter out;
  out.notify(NotifyType::kAuthLifetime, Buffer{0, 0, 0, 40});
  bare.old.say(Exchange::kInformational, false, 2, out);
  EXPECT_TRUE(bare.old.hear());
  bare.wait(200s);
  EXPECT_EQ(bare.inits(), 0u);
}

TEST(Rfc7296_2_8_3, TheOldOneIsDeletedWhenTheNewOneHasItsChild) {
  Bare bare(site(true, 100s));
  bare.authenticate({});
  bare.wait(101s);
  bare.again.answer_init();
  const auto auth = bare.again.hear();
  ASSERT_TRUE(auth);
  EXPECT_EQ(auth->payloads.find(NotifyType::kInitialContact), nullptr);
  EXPECT_TRUE(auth->payloads.sa);
  EXPECT_EQ(bare.old.waiting(), 0u);
  PayloadWriter out = bare.again.authenticated();
  Bare::answer_net(out);
  bare.again.say(Exchange::kIkeAuth, true, 1, out);
  const auto gone = bare.old.hear();
  ASSERT_TRUE(gone);
  ASSERT_EQ(gone->payloads.deletes.size(), 1u);
  EXPECT_EQ(gone->payloads.deletes[0].protocol, ProtocolId::kIke);
  EXPECT_EQ(bare.side.installed.size(), 4u) << "until it has answered";
  bare.old.say(Exchange::kInformational, true, gone->header.message_id, {});
  EXPECT_EQ(bare.old.waiting(), 0u);
  EXPECT_EQ(bare.side.installed.size(), 2u);
}

TEST(Rfc7296_2_8_3, AnAnswerWithoutTheChildLeavesTheOldOne) {
  Bare bare(site(true, 100s));
  bare.authenticate({});
  bare.wait(101s);
  bare.again.answer_init();
  ASSERT_TRUE(bare.again.hear());
  PayloadWriter out = bare.again.authenticated();
  out.notify(NotifyType::kNoProposalChosen);
  bare.again.say(Exchange::kIkeAuth, true, 1, out);
  const auto once_more = bare.again.hear();
  ASSERT_TRUE(once_more);
  EXPECT_EQ(once_more->header.exchange, Exchange::kCreateChildSa);
  PayloadWriter refusal;
  refusal.notify(NotifyType::kNoProposalChosen);
  bare.again.say(Exchange::kCreateChildSa, true, once_more->header.message_id, refusal);
  const auto gone = bare.again.hear();
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->payloads.deletes.size(), 1u);
  bare.again.say(Exchange::kInformational, true, gone->header.message_id, {});
  ASSERT_EQ(bare.side.endpoint.status().size(), 1u);
  EXPECT_TRUE(bare.side.up());
  bare.wait(60s);
  EXPECT_GT(bare.inits(), 2u) << "it is tried again";
}

// Another implementation may do so as responder.
TEST(Rfc7296_2_8_3, BothEndsReauthenticateAtOnce) {
  Bare bare(site(true, 100s));
  bare.authenticate({});
  bare.wait(101s);
  ASSERT_EQ(bare.again.waiting(), 1u);
  bare.theirs.authenticate_with_child(0x2000);
  bare.again.answer_init();
  EXPECT_EQ(bare.again.waiting(), 1u);
  ASSERT_EQ(bare.side.endpoint.status().size(), 2u) << "ours has not gone on";
  bare.again.skip();  // the delete of the old one
  bare.wait(50ms);
  ASSERT_TRUE(bare.side.logged("reauthenticated, replaces #1"));
}

TEST(Rfc7296_2_8_3, TheNewOneStaysWhenTheOldOneIsLostMeanwhile) {
  Bare bare(site(true, 100s));
  bare.authenticate({});
  bare.wait(101s);
  ASSERT_EQ(bare.again.waiting(), 1u);
  PayloadWriter gone;
  gone.del(ProtocolId::kIke, {});
  bare.old.say(Exchange::kInformational, false, 0, gone);
  ASSERT_TRUE(bare.old.hear());
  bare.again.answer_init();
  ASSERT_TRUE(bare.again.hear());
  PayloadWriter out = bare.again.authenticated();
  Bare::answer_net(out);
  bare.again.say(Exchange::kIkeAuth, true, 1, out);
  ASSERT_EQ(bare.side.endpoint.status().size(), 1u);
  EXPECT_TRUE(bare.side.up());
  EXPECT_EQ(bare.again.waiting(), 0u);
}

TEST(Rfc7296_2_8_3, WhoTerminatesTheOldOneTerminatesTheNewOneToo) {
  Bare bare(site(true, 100s));
  bare.authenticate({});
  bare.wait(101s);
  ASSERT_EQ(bare.side.endpoint.status().size(), 2u);
  ASSERT_EQ(bare.again.waiting(), 1u);
  bare.side.endpoint.terminate(IkeSaOnly{bare.side.endpoint.status().front().id}, 5, bare.now);
  const auto gone = bare.old.hear();
  ASSERT_TRUE(gone);
  bare.old.say(Exchange::kInformational, true, gone->header.message_id, {});
  EXPECT_EQ(bare.old.waiting(), 0u);
  EXPECT_TRUE(bare.side.endpoint.status().empty() && bare.side.installed.empty());
  ASSERT_TRUE(bare.side.done(5));
  EXPECT_TRUE(bare.side.done(5)->ok);
}

}  // namespace
}  // namespace simplon::ike::test

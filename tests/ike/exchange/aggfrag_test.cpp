// SPDX-License-Identifier: Apache-2.0
// USE_AGGFRAG (RFC 9347 §5.1): agreed on by both, kept over rekeys, and with a peer that does not know it.
#include "ike/exchange/aggfrag.h"

#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

using Change = std::function<void(AggfragConfig&)>;

std::shared_ptr<Connection> with(bool left, AggfragUse use, const Change& change = {}) {
  auto c = connection(left);
  AggfragConfig& a = c->children[0].aggfrag;
  a.use = use;
  if (change) change(a);
  return c;
}

void expect_aggfrag(const Pair& pair, bool on) {
  for (const Side* side : {&pair.left, &pair.right}) {
    ASSERT_EQ(side->status().children.size(), 1u);
    ASSERT_FALSE(side->installed.empty());
    for (const auto& [id, sa] : side->installed) {
      EXPECT_EQ(sa->aggfrag.on, on);
      EXPECT_TRUE(possible_sa(*sa));
    }
  }
}

TEST(Rfc9347_5_1, BothEndsAgreeAndKeepItWhenTheyRekey) {
  Pair pair(with(true, AggfragUse::kPrefer), with(false, AggfragUse::kRequire));
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  expect_aggfrag(pair, true);
  EXPECT_TRUE(pair.left.logged("with AGGFRAG"));
  for (Side* side : {&pair.left, &pair.right}) {
    side->endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);
    pair.pump();
    pair.wait(10s);
    EXPECT_TRUE(side->done(5) && side->done(5)->ok);
    expect_aggfrag(pair, true);
    pair.expect_working();
  }
}

// What each end says is about what it receives; what it sends is as its own configuration says.
TEST(Rfc9347_6_1_4, TheFlagsOfOneEndBindWhatTheOtherSends) {
  Pair pair(with(true, AggfragUse::kPrefer,
                 [](AggfragConfig& a) { a.congestion_control = true, a.rate = 100, a.packet = 900; }),
            with(false, AggfragUse::kPrefer,
                 [](AggfragConfig& a) { a.split = false, a.window = 5, a.wait = 7ms; }));
  pair.initiate();
  ASSERT_EQ(pair.left.sas(Direction::kOut).size(), 1u);
  EXPECT_EQ(
      pair.left.sas(Direction::kOut)[0]->aggfrag,
      (AggfragOptions{
          .on = true, .packet = 900, .rate = 100, .whole = true, .congestion = true, .controlled = true}));
  EXPECT_EQ(pair.left.sas(Direction::kIn)[0]->aggfrag, AggfragOptions{.on = true});
  EXPECT_EQ(pair.right.sas(Direction::kOut)[0]->aggfrag,
            (AggfragOptions{.on = true, .whole = true, .congestion = true}))
      << "it does not split itself, and reports";
  EXPECT_EQ(pair.right.sas(Direction::kIn)[0]->aggfrag,
            (AggfragOptions{.on = true, .window = 5, .wait = 7ms}));
}

// Of IKE_AUTH, and of an exchange of its own.
TEST(Rfc9347_5_1, WithAPeerThatDoesNotKnowItTheChildIsPlain) {
  for (const bool left_knows : {true, false})
    for (const bool later : {false, true}) {
      Pair pair(with(true, left_knows ? AggfragUse::kPrefer : AggfragUse::kOff),
                with(false, left_knows ? AggfragUse::kOff : AggfragUse::kPrefer));
      if (later) {
        pair.right.endpoint.initiate("sites", "", 3, pair.now);
        pair.pump();
      }
      pair.initiate();
      expect_aggfrag(pair, false);
      pair.expect_working();
    }
}

TEST(Rfc9347_5_1, OrThereIsNoneWhereItIsRequired) {
  for (const bool later : {false, true}) {
    Pair pair(with(true, AggfragUse::kRequire), with(false, AggfragUse::kOff));
    if (later) {
      pair.right.endpoint.initiate("sites", "", 3, pair.now);
      pair.pump();
    }
    pair.initiate();
    pair.wait(5s);
    ASSERT_TRUE(pair.left.done(1));
    EXPECT_FALSE(pair.left.done(1)->ok);
    EXPECT_TRUE(pair.left.logged("the peer does not use AGGFRAG, and aggfrag is 'require'"));
    EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty()) << "the peer deletes it";
    EXPECT_EQ(pair.left.status().state, IkeState::kEstablished);
  }
  Pair asked(with(true, AggfragUse::kOff), with(false, AggfragUse::kRequire));
  asked.initiate();
  EXPECT_TRUE(asked.left.logged("NO_PROPOSAL_CHOSEN"));
  EXPECT_TRUE(asked.right.logged("the peer does not use AGGFRAG, and aggfrag is 'require'"));
  EXPECT_TRUE(asked.left.installed.empty() && asked.right.installed.empty());
}

TEST(Rfc9347_6_1_4, ANotifyWithoutItsOctetIsNoAgreement) {
  Payloads payloads;
  payloads.notifies.push_back({.type = NotifyType::kUseAggfrag});
  ChildConfig config;
  EXPECT_TRUE(agreed_aggfrag(config, payloads).has_value()) << "nobody asked for it";
  config.aggfrag.use = AggfragUse::kPrefer;
  EXPECT_FALSE(agreed_aggfrag(config, payloads).has_value());
  payloads.notifies[0].data = {0xff};
  const auto flags = agreed_aggfrag(config, payloads);
  ASSERT_TRUE(flags && *flags);
  EXPECT_EQ(**flags, (AggfragFlags{.congestion = true, .whole = true}))
      << "flags that mean nothing are passed over";
  payloads.notifies[0].data = {0x01};
  EXPECT_EQ(**agreed_aggfrag(config, payloads), (AggfragFlags{.whole = true}));
  payloads.notifies[0].data = {0x02};
  EXPECT_EQ(**agreed_aggfrag(config, payloads), (AggfragFlags{.congestion = true}));
}

}  // namespace
}  // namespace simplon::ike::test

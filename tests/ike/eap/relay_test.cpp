// SPDX-License-Identifier: Apache-2.0
#include "ike/eap/relay.h"

#include <gtest/gtest.h>

#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

using State = EapAnswer::State;
using Verdict = RelayEapResult::Verdict;

// RFC 3579.
struct RelayServerTest : testing::Test {
  RelayServerTest() { restart(); }
  void restart() {
    server = relay_server(
        {.group = "corp", .calling = "192.0.2.7", .called = "192.0.2.1", .nas_port = 9, .first_id = 5});
    EXPECT_EQ(std::get<EapAnswer>(server->begin("")).packet, hex("01 05 0005 01"));
  }

  // To the RADIUS server; none: it was answered at once.
  const RelayEap* say(const Buffer& response) {
    step = server->answer(response);
    auto* later = std::get_if<Later<EapAnswer>>(&step);
    return later == nullptr ? nullptr : std::get_if<RelayEap>(&later->work);
  }
  EapAnswer hear(Verdict verdict, const Buffer& eap, Secret msk = {}, RadiusGrant grant = {}) {
    RelayEapResult result;
    result.verdict = verdict;
    result.eap = eap;
    result.state = hex("0badcafe");
    result.msk = std::move(msk);
    result.grant = std::move(grant);
    result.why = "so it is";
    return std::get<EapAnswer>(std::get<Later<EapAnswer>>(step).finish(WorkResult(std::move(result))));
  }

  std::unique_ptr<EapServer> server;
  Step<EapAnswer> step;
};

const Buffer kIdentity = hex("02 05 000a 01 616c696365");  // "alice"
const Buffer kRequest = hex("01 06 0006 1a 01"), kResponse = hex("02 06 0006 1a 02");
const Buffer kSuccess = hex("03 06 0004"), kFailure = hex("04 06 0004");

TEST_F(RelayServerTest, AConversationIsPassedOn) {
  const RelayEap* work = say(kIdentity);
  ASSERT_NE(work, nullptr);
  EXPECT_EQ(work->group, "corp");
  EXPECT_EQ(work->eap, kIdentity);
  EXPECT_TRUE(work->state.empty());
  EXPECT_EQ(work->user, "alice");
  EXPECT_EQ(work->calling, "192.0.2.7");
  EXPECT_EQ(work->nas_port, 9u);
  const EapAnswer request = hear(Verdict::kChallenge, kRequest);
  EXPECT_EQ(request.state, State::kGoOn);
  EXPECT_EQ(request.packet, kRequest);
  work = say(kResponse);
  ASSERT_NE(work, nullptr);
  EXPECT_EQ(work->eap, kResponse);
  EXPECT_EQ(work->state, hex("0badcafe"));
  EXPECT_EQ(work->user, "alice");
  const EapAnswer end = hear(Verdict::kAccept, kSuccess, Secret(Buffer(64, 7)),
                             {.session_timeout = std::chrono::seconds(60), .user_name = "alice@corp"});
  EXPECT_EQ(end.state, State::kSuccess);
  EXPECT_EQ(end.packet, kSuccess);
  EXPECT_EQ(copy_of(end.msk.bytes()), Buffer(64, 7));
  EXPECT_EQ(end.identity, "alice@corp");
  ASSERT_TRUE(end.grant);
  EXPECT_EQ(end.grant->session_timeout, std::chrono::seconds(60));
  EXPECT_EQ(say(kResponse), nullptr) << "it is over";
}

TEST_F(RelayServerTest, WithoutAnotherNameTheUserIsWhoItSays) {
  say(kIdentity);
  EXPECT_EQ(hear(Verdict::kAccept, kSuccess, Secret(Buffer(64, 7))).identity, "alice");
}

// RFC 3748 §7.3: what it says before TLS nobody proves.
TEST_F(RelayServerTest, InsideOfTlsTheServerHasToSayWhoItIs) {
  for (const bool named : {false, true}) {
    restart();
    say(kIdentity);
    hear(Verdict::kChallenge, hex("01 06 0006 19 01"));
    say(hex("02 06 0006 19 02"));  // PEAP
    RadiusGrant grant;
    if (named) grant.user_name = "alice";
    const EapAnswer end = hear(Verdict::kAccept, kSuccess, Secret(Buffer(64, 7)), grant);
    EXPECT_EQ(end.state, named ? State::kSuccess : State::kFailure);
    if (!named) {
      EXPECT_NE(end.why.find("needs a User-Name"), std::string::npos);
    }
  }
}

TEST_F(RelayServerTest, AnAcceptThatIsNotWholeLetsNobodyIn) {
  const std::pair<Buffer, std::size_t> wrong[] = {
      {kFailure, 64}, {{}, 64}, {kRequest, 64}, {kSuccess, 0}, {kSuccess, 63}};
  for (const auto& [eap, key] : wrong) {
    server = relay_server({.first_id = 5});
    say(kIdentity);
    const EapAnswer end = hear(Verdict::kAccept, eap, Secret(Buffer(key, 7)));
    EXPECT_EQ(end.state, State::kFailure);
    EXPECT_EQ(end.packet, hex("04 05 0004"));
    EXPECT_TRUE(end.msk.empty());
    EXPECT_FALSE(end.grant);
  }
}

TEST_F(RelayServerTest, ARejectEndsIt) {
  say(kIdentity);
  const EapAnswer end = hear(Verdict::kReject, kFailure);
  EXPECT_EQ(end.state, State::kFailure);
  EXPECT_EQ(end.packet, kFailure) << "the server's own";
  EXPECT_EQ(end.why, "so it is");
}

TEST_F(RelayServerTest, ARejectWithAnEapSuccessIsAReject) {
  say(kIdentity);
  const EapAnswer end = hear(Verdict::kReject, kSuccess);
  EXPECT_EQ(end.state, State::kFailure);
  EXPECT_EQ(end.packet, hex("04 05 0004"));
}

TEST_F(RelayServerTest, NobodyAnswers) {
  say(kIdentity);
  EXPECT_EQ(hear(Verdict::kUnreachable, {}).state, State::kFailure);
}

TEST_F(RelayServerTest, AChallengeHasARequest) {
  for (const Buffer& eap : {Buffer{}, kSuccess, kResponse}) {
    server = relay_server({.first_id = 5});
    say(kIdentity);
    EXPECT_EQ(hear(Verdict::kChallenge, eap).state, State::kFailure);
  }
}

TEST_F(RelayServerTest, WhatIsNoIdentityGoesNowhere) {
  const Buffer wrong[] = {
      {},        hex("02 05 0005 01"),    hex("02 04 0006 01 61"),   hex("01 05 0006 01 61"),
      kResponse, hex("02 05 0006 03 0d"), hex("02 05 0007 01 610a"), hex("02 05 0008 01 61")};
  for (const Buffer& response : wrong) {
    server = relay_server({.first_id = 5});
    EXPECT_EQ(say(response), nullptr);
    EXPECT_EQ(std::get<EapAnswer>(step).state, State::kFailure);
  }
  Buffer longest(5 + 253, 'a');
  longest[0] = 2, longest[1] = 5, longest[4] = 1;
  store_be16(longest.data() + 2, static_cast<std::uint16_t>(longest.size()));
  server = relay_server({.first_id = 5});
  EXPECT_NE(say(longest), nullptr);
  longest.push_back('a');
  store_be16(longest.data() + 2, static_cast<std::uint16_t>(longest.size()));
  server = relay_server({.first_id = 5});
  EXPECT_EQ(say(longest), nullptr);
}

TEST_F(RelayServerTest, APacketThatComesTooEarlyIsAFailure) {
  say(kIdentity);
  auto first = std::move(step);
  EXPECT_EQ(say(kIdentity), nullptr);
  EXPECT_EQ(std::get<EapAnswer>(step).state, State::kFailure);
  step = std::move(first);
  EXPECT_EQ(hear(Verdict::kAccept, kSuccess, Secret(Buffer(64, 7))).state, State::kFailure);
}

TEST_F(RelayServerTest, AnIdentityThatIsKnownIsNotAskedFor) {
  server = relay_server({.first_id = 5});
  step = server->begin("alice");
  const auto& work = std::get<RelayEap>(std::get<Later<EapAnswer>>(step).work);
  EXPECT_EQ(work.eap, kIdentity);
}

TEST_F(RelayServerTest, APoolHasNoServers) {
  const RelayEapResult result = run(*say(kIdentity));
  EXPECT_EQ(result.verdict, Verdict::kUnreachable);
  EXPECT_EQ(result.why, "no RADIUS servers 'corp' here");
}

}  // namespace
}  // namespace simplon::ike::test

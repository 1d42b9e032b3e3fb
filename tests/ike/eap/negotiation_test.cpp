// SPDX-License-Identifier: Apache-2.0
// What stands around a method: identity, Nak, identifiers, ends that come too early.
#include <gtest/gtest.h>

#include "ike/eap/client.h"
#include "ike/eap/server.h"
#include "tests/ike/eap/talk.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

using State = EapAnswer::State;

const SharedSecret kPassword = Secret(bytes_of("pass"));

std::unique_ptr<EapServer> server(std::vector<EapType> methods) {
  EapServerSettings out;
  out.methods = std::move(methods);
  out.random = Buffer(kEapRandomBytes, 0xff);
  out.password = [](std::string_view user) { return user == "u" ? &kPassword : nullptr; };
  return eap_server(std::move(out));
}
std::unique_ptr<EapClient> client(std::vector<EapType> methods) {
  EapClientSettings out;
  out.methods = std::move(methods);
  out.random = Buffer(kEapClientRandomBytes, 2);
  out.identity = "u";
  out.password = kPassword;
  return eap_client(std::move(out));
}

TEST(Rfc3748_5_1, TheIdentityIsAskedForWhenItIsNotKnown) {
  const auto s = server({EapType::kMsChapV2});
  const auto c = client({EapType::kMsChapV2});
  const Talk asked = talk(*s, *c, "");
  EXPECT_TRUE(asked.success()) << asked.server.why << asked.client.why;
  EXPECT_EQ(asked.wire[0], hex("01 00 0005 01"));
  EXPECT_EQ(asked.wire[1], hex("02 00 0006 01 75"));
}

TEST(Rfc3748_5_3_1, ThePeerAsksForAnotherMethodThatIsAllowed) {
  const auto s = server({EapType::kTls, EapType::kMsChapV2});
  const auto c = client({EapType::kMsChapV2});
  const Talk switched = talk(*s, *c, "u");
  EXPECT_TRUE(switched.success()) << switched.server.why << switched.client.why;
  EXPECT_EQ(switched.wire[1], hex("02 00 0006 03 1a"));
}

TEST(Rfc3748_5_3_1, AMethodThatIsNotAllowedOrWasTriedIsNoAlternative) {
  for (const char* nak : {"02 00 0006 03 1a", "02 00 0006 03 00", "02 00 0005 03", "02 00 0007 03 04 06",
                          "02 00 0006 03 0d", "02 00 0008 fe 000000"}) {
    const auto s = server({EapType::kTls});
    ASSERT_EQ(at_once(s->begin("u")).state, State::kGoOn);
    const EapAnswer answer = at_once(s->answer(hex(nak)));
    EXPECT_EQ(answer.state, State::kFailure) << nak;
    EXPECT_EQ(answer.packet, hex("04 00 0004"));
  }
  const auto s = server({EapType::kTls, EapType::kMsChapV2});
  at_once(s->begin("u"));
  EXPECT_EQ(at_once(s->answer(hex("02 00 0006 03 1a"))).state, State::kGoOn);
  EXPECT_EQ(at_once(s->answer(hex("02 01 0006 03 0d"))).state, State::kFailure) << "back again";
}

TEST(Rfc3748_5_3_1, NoNakInTheMidstOfAMethod) {
  const auto s = server({EapType::kMsChapV2, EapType::kTls});
  const auto c = client({EapType::kMsChapV2});
  const EapAnswer response = at_once(c->answer(at_once(s->begin("u")).packet));
  ASSERT_EQ(at_once(s->answer(response.packet)).state, State::kGoOn);
  EXPECT_EQ(at_once(s->answer(hex("02 01 0006 03 0d"))).state, State::kFailure);
}

TEST(Rfc3748_4_1, AServerWantsTheIdentifierOfItsRequest) {
  for (const char* octets : {"02 01 0006 03 1a", "01 00 0006 03 1a", "03 00 0004", "04 00 0004", "", "02"}) {
    const auto s = server({EapType::kTls, EapType::kMsChapV2});
    at_once(s->begin("u"));
    EXPECT_EQ(at_once(s->answer(hex(octets))).state, State::kFailure) << octets;
    EXPECT_EQ(at_once(s->answer(hex("02 00 0006 03 1a"))).state, State::kFailure) << "it is over";
  }
}

TEST(Rfc3748_4_2, ASuccessThatComesTooEarlyIsAFailure) {
  const auto c = client({EapType::kMsChapV2}), begun = client({EapType::kMsChapV2});
  EXPECT_EQ(at_once(c->answer(hex("03 00 0004"))).state, State::kFailure);
  const auto s = server({EapType::kMsChapV2});
  const EapAnswer response = at_once(begun->answer(at_once(s->begin("u")).packet));
  EXPECT_EQ(at_once(begun->answer(hex("03 00 0004"))).state, State::kFailure);
  EXPECT_EQ(at_once(begun->answer(at_once(s->answer(response.packet)).packet)).state, State::kFailure);
}

TEST(EapClient, AnswersWhatStandsAroundTheMethod) {
  const auto c = client({EapType::kTls, EapType::kMsChapV2});
  EXPECT_EQ(at_once(c->answer(hex("01 05 0005 01"))).packet, hex("02 05 0006 01 75"));
  EXPECT_EQ(at_once(c->answer(hex("01 06 0007 02 6869"))).packet, hex("02 06 0005 02"));
  EXPECT_EQ(at_once(c->answer(hex("01 07 0005 04"))).packet, hex("02 07 0007 03 0d 1a"));
  EXPECT_EQ(at_once(c->answer(hex("01 08 000c fe 000000 00000001"))).packet, hex("02 08 0007 03 0d 1a"));
  EXPECT_EQ(at_once(c->answer(hex("04 08 0004"))).state, State::kFailure);
}

TEST(EapClient, DoesNotAnswerForEver) {
  const auto c = client({EapType::kMsChapV2});
  int answers = 0;
  while (answers < 1000 && at_once(c->answer(hex("01 06 0007 02 6869"))).state == State::kGoOn) ++answers;
  EXPECT_LT(answers, 300);
  EXPECT_GT(answers, 5);
}

}  // namespace
}  // namespace simplon::ike::test

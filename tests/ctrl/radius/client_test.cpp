// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ctrl/radius/fake_sockets.h"

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;
using Signed = RadiusWriter::Signed;

struct RadiusClientTest : testing::Test {
  RadiusClientTest() { client.configure({{"corp", two_servers()}}); }

  void ask(RadiusPurpose purpose = RadiusPurpose::kAccess, std::optional<std::size_t> server = {}) {
    RadiusWriter out(
        purpose == RadiusPurpose::kAccess ? RadiusCode::kAccessRequest : RadiusCode::kAccountingRequest,
        purpose == RadiusPurpose::kAccess ? Signed::kYes : Signed::kNo);
    out.text(RadiusType::kUserName, "alice");
    client.send(
        {.group = "corp",
         .purpose = purpose,
         .attributes = std::move(out),
         .server = server,
         .answered =
             [this](const RadiusAnswer& answer) {
               answers.push_back(answer.packet ? "server " + std::to_string(answer.server) : answer.why);
             }},
        now);
  }
  // As time passes; what was sent meanwhile.
  std::vector<std::string> wait(std::chrono::milliseconds time) {
    std::vector<std::string> out;
    for (const Now end = now + time; now < end; now += 100ms) client.tick(now);
    while (!sockets.sent.empty()) out.push_back((last = sockets.take()).to.address.text());
    return out;
  }
  void reply(const FakeSockets::Sent& to, RadiusCode code, Signed with = Signed::kYes,
             std::string_view secret = kRadiusSecret) {
    client.receive(answer_to(to, RadiusWriter(code, with), secret));
  }

  FakeSockets sockets;
  std::vector<std::string> said, answers;
  RadiusClient client{sockets, ike::Entropy(Secret(Buffer(32, 1))),
                      [this](const std::string& text) { said.push_back(text); }};
  Now now{};
  FakeSockets::Sent last;
};

TEST_F(RadiusClientTest, TheFirstServerIsAskedAndAnswers) {
  ask();
  const auto request = sockets.take();
  EXPECT_EQ(request.to, (SocketAddress{*IpAddress::parse("192.0.2.10"), Port{1812}}));
  reply(request, RadiusCode::kAccessReject);
  EXPECT_THAT(answers, testing::ElementsAre("server 0"));
  EXPECT_EQ(client.waiting(), 0u);
  EXPECT_FALSE(client.deadline());
  reply(request, RadiusCode::kAccessReject);
  EXPECT_THAT(answers, testing::SizeIs(1)) << "once";
  EXPECT_EQ(client.counters().unexpected, 1u);
}

TEST_F(RadiusClientTest, ARequestIsSentAgainThenToTheNextServer) {
  ask();
  const Buffer first = sockets.sent.front().bytes;
  EXPECT_THAT(wait(5s), testing::ElementsAre("192.0.2.10", "192.0.2.10", "192.0.2.10"));
  EXPECT_EQ(last.bytes, first) << "RFC 2865 section 3: the same request";
  EXPECT_THAT(wait(3s), testing::ElementsAre("192.0.2.11"));
  EXPECT_NE(last.bytes, first);
  EXPECT_THAT(said, testing::ElementsAre(testing::HasSubstr("192.0.2.10[1812] does not answer")));
  reply(last, RadiusCode::kAccessAccept);
  EXPECT_THAT(answers, testing::ElementsAre("server 1"));
  ask();
  EXPECT_EQ(sockets.take().to.address.text(), "192.0.2.11") << "the silent one is passed over";
  now += 61s;
  ask();
  EXPECT_EQ(sockets.sent.back().to.address.text(), "192.0.2.10") << "for a while";
}

TEST_F(RadiusClientTest, NobodyAnswers) {
  ask();
  wait(30s);
  EXPECT_THAT(answers, testing::ElementsAre("no RADIUS server of 'corp' answers"));
  EXPECT_FALSE(client.deadline());
  ask();
  EXPECT_THAT(wait(30s), testing::SizeIs(6)) << "where all are silent all are tried";
}

TEST_F(RadiusClientTest, AConversationStaysWithItsServer) {
  ask(RadiusPurpose::kAccess, 1);
  EXPECT_THAT(wait(30s), testing::ElementsAre("192.0.2.11", "192.0.2.11", "192.0.2.11"));
  EXPECT_THAT(answers, testing::SizeIs(1));
  ask(RadiusPurpose::kAccess, 200);
  EXPECT_THAT(answers, testing::SizeIs(2)) << "there is no such server";
}

// RFC 3579 §3.2: without a Message-Authenticator an answer can be made of another one.
TEST_F(RadiusClientTest, AForgedAnswerIsNone) {
  ask();
  const auto request = sockets.take();
  reply(request, RadiusCode::kAccessAccept, Signed::kNo);
  reply(request, RadiusCode::kAccessAccept, Signed::kYes, "another secret");
  reply(request, RadiusCode::kAccountingResponse);
  EXPECT_EQ(client.counters().forged, 3u);
  EXPECT_THAT(said, testing::SizeIs(1)) << "told once";
  client.receive({request.socket, request.to, Buffer(10)});
  EXPECT_EQ(client.counters().malformed, 1u);
  auto other = request;
  ++other.bytes[1];
  reply(other, RadiusCode::kAccessAccept);
  EXPECT_EQ(client.counters().unexpected, 1u);
  EXPECT_THAT(answers, testing::IsEmpty());
  reply(request, RadiusCode::kAccessAccept);
  EXPECT_THAT(answers, testing::ElementsAre("server 0")) << "the right one still counts";
}

TEST_F(RadiusClientTest, AccountingProvesItselfAndHasItsOwnPort) {
  ask(RadiusPurpose::kAccounting);
  const auto request = sockets.take();
  EXPECT_EQ(request.to.port, Port{1813});
  EXPECT_TRUE(RadiusPacket::parse(request.bytes)->proves_itself(bytes_of(kRadiusSecret)));
  reply(request, RadiusCode::kAccountingResponse, Signed::kNo);
  EXPECT_THAT(answers, testing::ElementsAre("server 0"));
}

TEST_F(RadiusClientTest, ThousandsWaitAtOnceAndNoIdentifierTwice) {
  for (int i = 0; i < 1000; ++i) ask();
  std::set<std::pair<int, std::uint8_t>> used;
  for (const auto& sent : sockets.sent) used.emplace(sent.socket, sent.bytes[1]);
  EXPECT_THAT(used, testing::SizeIs(1000));
  EXPECT_THAT(sockets.remotes, testing::SizeIs(4)) << "256 on each socket";
  for (const auto& sent : std::exchange(sockets.sent, {})) reply(sent, RadiusCode::kAccessReject);
  EXPECT_THAT(answers, testing::SizeIs(1000));
  for (int i = 0; i < 2 * 16 * 256; ++i) ask();
  EXPECT_THAT(answers, testing::SizeIs(1000)) << "as many as both servers' sockets have identifiers";
  ask();
  EXPECT_THAT(answers, testing::SizeIs(1001));
  EXPECT_THAT(answers.back(), testing::HasSubstr("too many requests"));
}

TEST_F(RadiusClientTest, AnIdentifierIsUsedAgainAsLateAsPossible) {
  for (int i = 0; i < 256; ++i) {
    ask();
    const auto sent = sockets.take();
    EXPECT_EQ(sent.bytes[1], i);
    reply(sent, RadiusCode::kAccessReject);
  }
}

TEST_F(RadiusClientTest, AReloadKeepsWhatDidNotChange) {
  ask();
  const auto request = sockets.take();
  client.configure({{"corp", two_servers()}, {"other", two_servers()}});
  reply(request, RadiusCode::kAccessAccept);
  EXPECT_THAT(answers, testing::ElementsAre("server 0"));
  ask();
  RadiusGroup changed = two_servers();
  changed.timeout = 1s;
  client.configure({{"corp", changed}});
  EXPECT_THAT(answers.back(), testing::HasSubstr("were changed"));
  EXPECT_TRUE(sockets.closed.contains(request.socket));
  client.configure({});
  ask();
  EXPECT_THAT(answers.back(), testing::HasSubstr("there are no RADIUS servers 'corp'"));
}

TEST_F(RadiusClientTest, WithoutSocketsNothingWaits) {
  sockets.broken = true;
  ask();
  EXPECT_THAT(answers, testing::ElementsAre("no socket"));
}

}  // namespace
}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ctrl/radius/fake_sockets.h"

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

struct RadiusSessionsTest : testing::Test {
  RadiusSessionsTest() {
    RadiusGroup group = two_servers();
    group.accounting = true;
    RadiusGroup quiet = two_servers();
    quiet.name = "quiet";
    client.configure({{"corp", group}, {"quiet", quiet}});
  }
  void start(std::uint32_t ike, ike::RadiusGrant grant = {}, const std::string& group = "corp") {
    sessions.start({.ike = IkeSaId{ike},
                    .group = group,
                    .user = "alice",
                    .calling = "198.51.100.7",
                    .called = "192.0.2.1",
                    .addresses = {*IpAddress::parse("198.18.64.9"), *IpAddress::parse("2001:db8::9")},
                    .grant = std::move(grant)},
                   now);
  }
  // The status of each record that was sent since the last call; they are answered, also while time passes.
  std::vector<std::uint32_t> records() {
    answer_all();
    return std::exchange(statuses, {});
  }
  void answer_all() {
    while (!sockets.sent.empty()) {
      request = sockets.take();
      if (silent) continue;
      statuses.push_back(packet().number(RadiusType::kAcctStatusType).value_or(0));
      client.receive(answer_to(request, RadiusWriter(RadiusCode::kAccountingResponse)));
    }
  }
  RadiusPacket packet() const { return *RadiusPacket::parse(request.bytes); }
  void wait(std::chrono::seconds time) {
    for (const Now end = now + time; now < end;) {
      now += 1s;
      client.tick(now);
      sessions.tick(now);
      answer_all();
    }
  }
  std::vector<std::uint32_t> orders() {
    std::vector<std::uint32_t> out;
    while (const auto order = sessions.next_order()) out.push_back(static_cast<std::uint32_t>(order->ike));
    return out;
  }

  FakeSockets sockets;
  RadiusClient client{sockets, ike::Entropy(Secret(Buffer(32, 1))), [](const std::string&) {}};
  std::map<IkeSaId, RadiusUsage> usage;
  RadiusSessions sessions{client, [this](IkeSaId ike) { return usage[ike]; }, [] { return 1'800'000'000; }};
  Now now{};
  FakeSockets::Sent request;
  std::vector<std::uint32_t> statuses;
  bool silent = false;  // the servers
};

TEST_F(RadiusSessionsTest, Rfc2866StartAndStop) {
  start(1, {.class_ = {25, 3, 9}});
  EXPECT_THAT(records(), ElementsAre(1));
  const std::string id = packet().text(RadiusType::kAcctSessionId);
  EXPECT_EQ(id.size(), 16u);
  EXPECT_EQ(packet().text(RadiusType::kUserName), "alice");
  EXPECT_EQ(packet().address(RadiusType::kFramedIpAddress), IpAddress::parse("198.18.64.9"));
  EXPECT_EQ(packet().address(RadiusType::kFramedIpv6Address), IpAddress::parse("2001:db8::9"));
  EXPECT_THAT(*packet().find(RadiusType::kClass), ElementsAre(9));
  EXPECT_EQ(packet().number(RadiusType::kEventTimestamp), 1'800'000'000u);
  EXPECT_FALSE(packet().number(RadiusType::kAcctSessionTime));
  wait(100s);
  usage[IkeSaId{1}] = {.octets_in = 0x3'0000'0007, .octets_out = 8, .packets_in = 2, .packets_out = 1};
  sessions.stop(IkeSaId{1}, TerminateCause::kUserRequest, now);
  EXPECT_THAT(records(), ElementsAre(2));
  EXPECT_EQ(packet().text(RadiusType::kAcctSessionId), id);
  EXPECT_EQ(packet().number(RadiusType::kAcctSessionTime), 100u);
  EXPECT_EQ(packet().number(RadiusType::kAcctInputOctets), 7u);
  EXPECT_EQ(packet().number(RadiusType::kAcctInputGigawords), 3u);
  EXPECT_EQ(packet().number(RadiusType::kAcctOutputOctets), 8u);
  EXPECT_FALSE(packet().number(RadiusType::kAcctOutputGigawords));
  EXPECT_EQ(packet().number(RadiusType::kAcctInputPackets), 2u);
  EXPECT_EQ(packet().number(RadiusType::kAcctTerminateCause), 1u);
  EXPECT_EQ(sessions.size(), 0u);
  sessions.stop(IkeSaId{1}, TerminateCause::kUserRequest, now);
  EXPECT_THAT(records(), IsEmpty());
}

TEST_F(RadiusSessionsTest, Rfc2869InterimUpdatesAtLeastAMinuteApart) {
  start(1, {.interim = 5s});
  wait(59s);
  EXPECT_THAT(records(), ElementsAre(1));
  wait(61s);
  EXPECT_THAT(records(), ElementsAre(3, 3));
  EXPECT_EQ(packet().number(RadiusType::kAcctSessionTime), 120u);
}

TEST_F(RadiusSessionsTest, WithoutAccountingNothingIsSent) {
  start(1, {.session_timeout = 60s, .interim = 60s}, "quiet");
  wait(70s);
  EXPECT_THAT(orders(), ElementsAre(1)) << "the control: it is a session";
  sessions.stop(IkeSaId{1}, TerminateCause::kUserRequest, now);
  EXPECT_THAT(records(), IsEmpty());
}

TEST_F(RadiusSessionsTest, Rfc2865ASessionEndsWhenItsTimeIsOver) {
  start(1, {.session_timeout = 60s});
  start(2);
  wait(59s);
  EXPECT_THAT(orders(), IsEmpty());
  wait(60s);
  EXPECT_THAT(orders(), ElementsAre(1)) << "told once";
  records();
  sessions.stop(IkeSaId{1}, TerminateCause::kUserRequest, now);
  EXPECT_THAT(records(), ElementsAre(2));
  EXPECT_EQ(packet().number(RadiusType::kAcctTerminateCause), 5u);
}

TEST_F(RadiusSessionsTest, Rfc2865AnIdleSessionEnds) {
  start(1, {.idle_timeout = 60s});
  for (int i = 0; i < 5; ++i) {
    ++usage[IkeSaId{1}].packets_in;
    wait(60s);
    EXPECT_THAT(orders(), IsEmpty());
  }
  wait(121s);
  EXPECT_THAT(orders(), ElementsAre(1));
  sessions.stop(IkeSaId{1}, TerminateCause::kUserRequest, now);
  records();
  EXPECT_EQ(packet().number(RadiusType::kAcctTerminateCause), 4u);
}

TEST_F(RadiusSessionsTest, ARekeyedSessionIsTheSame) {
  start(1, {.session_timeout = 60s});
  records();
  const std::string id = packet().text(RadiusType::kAcctSessionId);
  sessions.rekeyed(IkeSaId{1}, IkeSaId{2});
  sessions.rekeyed(IkeSaId{7}, IkeSaId{8});
  EXPECT_THAT(records(), IsEmpty());
  wait(60s);
  EXPECT_THAT(orders(), ElementsAre(2));
  sessions.stop(IkeSaId{1}, TerminateCause::kUserRequest, now);
  EXPECT_THAT(records(), IsEmpty());
  sessions.stop(IkeSaId{2}, TerminateCause::kUserRequest, now);
  EXPECT_THAT(records(), ElementsAre(2));
  EXPECT_EQ(packet().text(RadiusType::kAcctSessionId), id);
  EXPECT_EQ(packet().number(RadiusType::kNasPort), 1u);
}

TEST_F(RadiusSessionsTest, ARecordThatNobodyTookIsSentLater) {
  silent = true;
  start(1, {.interim = 60s});
  sessions.stop(IkeSaId{1}, TerminateCause::kUserRequest, now);
  wait(20s);
  silent = false;
  ASSERT_TRUE(sessions.deadline());
  wait(60s);
  EXPECT_THAT(records(), ElementsAre(1, 2));
  EXPECT_EQ(packet().number(RadiusType::kAcctDelayTime), 60u);
  wait(200s);
  EXPECT_THAT(records(), IsEmpty());
  EXPECT_EQ(sessions.lost_records(), 0u);
}

// The next one is as good.
TEST_F(RadiusSessionsTest, AnInterimRecordThatNobodyTookIsNotSentLater) {
  start(1, {.interim = 600s});
  wait(599s);
  EXPECT_THAT(records(), ElementsAre(1));
  silent = true;
  wait(20s);
  silent = false;
  wait(500s);
  EXPECT_THAT(records(), IsEmpty());
  wait(200s);
  EXPECT_THAT(records(), ElementsAre(3));
}

TEST_F(RadiusSessionsTest, AtTheEndEachIsStopped) {
  start(1);
  start(2);
  records();
  sessions.stop_all(now);
  EXPECT_THAT(records(), ElementsAre(2, 2));
  EXPECT_EQ(packet().number(RadiusType::kAcctTerminateCause), 11u);
}

TEST_F(RadiusSessionsTest, SessionsAreFoundByWhatIsNamed) {
  start(1);
  start(2, {}, "quiet");
  const auto find = [&](const RadiusMatch& match) { return sessions.find({"corp"}, match); };
  EXPECT_THAT(find({.user = "alice"}), ElementsAre(IkeSaId{1})) << "of these groups alone";
  EXPECT_THAT(find({.user = "bob"}), IsEmpty());
  EXPECT_THAT(find({}), IsEmpty()) << "not all";
  EXPECT_THAT(find({.addresses = {*IpAddress::parse("2001:db8::9")}}), ElementsAre(IkeSaId{1}));
  EXPECT_THAT(find({.user = "alice", .addresses = {*IpAddress::parse("2001:db8::8")}}), IsEmpty());
  EXPECT_THAT(find({.calling = "198.51.100.7", .nas_port = 1}), ElementsAre(IkeSaId{1}));
  EXPECT_THAT(find({.nas_port = 2}), IsEmpty());
  records();
}

}  // namespace
}  // namespace simplon::ctrl

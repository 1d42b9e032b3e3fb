// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/orders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ctrl/radius/fake_sockets.h"

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using Signed = RadiusWriter::Signed;

constexpr std::uint32_t kTime = 1'800'000'000;
constexpr std::string_view kServer = "192.0.2.10";

// RFC 5176.
struct RadiusOrdersTest : testing::Test {
  RadiusOrdersTest() {
    RadiusGroup group = two_servers();
    group.accounting = true;
    group.source = IpAddress::parse("192.0.2.1");
    group.dynamic_authorization = Port{3799};
    RadiusGroup other = two_servers();
    other.name = "other";
    client.configure({{"corp", group}, {"other", other}});
    EXPECT_THAT(orders.configure({{"corp", group}, {"other", other}}), IsEmpty());
    EXPECT_THAT(sockets.listeners, testing::SizeIs(1));
    for (const std::uint32_t ike : {1, 2})
      sessions.start({.ike = IkeSaId{ike}, .group = "corp", .user = "alice"}, {});
    sessions.start({.ike = IkeSaId{3}, .group = "other", .user = "alice"}, {});
    acct_session = RadiusPacket::parse(sockets.sent.front().bytes)->text(RadiusType::kAcctSessionId);
    sockets.sent.clear();
  }

  static RadiusWriter order(RadiusCode code, std::uint32_t time = kTime, Signed with = Signed::kNo) {
    RadiusWriter out(code, with);
    out.number(RadiusType::kEventTimestamp, time);
    return out;
  }
  static RadiusWriter disconnect(std::string_view user) {
    RadiusWriter out = order(RadiusCode::kDisconnectRequest);
    out.text(RadiusType::kUserName, user);
    return out;
  }
  // The code of the answer and its Error-Cause; {0, 0}: there is none.
  std::pair<int, std::uint32_t> say(const Buffer& packet, std::string_view from = kServer) {
    EXPECT_TRUE(
        orders.receive({sockets.last_listener(), {*IpAddress::parse(from), Port{40000}}, packet}, now));
    if (sockets.sent.empty()) return {0, 0};
    const auto request = RadiusPacket::parse(packet);
    answer = sockets.take().bytes;
    const auto read = RadiusPacket::parse(answer);
    EXPECT_TRUE(read->answers(request->authenticator(), kSecret));
    EXPECT_EQ(read->message_authentic(request->authenticator(), kSecret), RadiusPacket::Authentic::kYes);
    return {static_cast<int>(read->code()), read->number(RadiusType::kErrorCause).value_or(0)};
  }
  std::pair<int, std::uint32_t> say(const RadiusWriter& out) {
    return say(out.proved_request(++id, kSecret));
  }
  std::vector<std::uint32_t> ended() {
    std::vector<std::uint32_t> out;
    while (const auto order = sessions.next_order()) out.push_back(static_cast<std::uint32_t>(order->ike));
    return out;
  }

  struct Sockets : FakeSockets {
    int last_listener() const { return listeners.begin()->second; }
  } sockets;
  const Bytes kSecret = bytes_of(kRadiusSecret);
  RadiusClient client{sockets, ike::Entropy(Secret(Buffer(32, 1))), [](const std::string&) {}};
  RadiusSessions sessions{client, [](IkeSaId) { return RadiusUsage{}; }, [] { return kTime; }};
  RadiusOrders orders{sockets, sessions, [] { return kTime; }};
  Now now{};
  std::uint8_t id = 0;
  Buffer answer;
  std::string acct_session;
};

TEST_F(RadiusOrdersTest, ADisconnectEndsTheUsersSessionsOfItsGroups) {
  EXPECT_EQ(say(disconnect("alice")), std::pair(41, 0u));
  EXPECT_THAT(ended(), ElementsAre(1, 2));
  EXPECT_EQ(say(disconnect("bob")), std::pair(42, 503u));
  EXPECT_THAT(ended(), IsEmpty());
}

TEST_F(RadiusOrdersTest, ADisconnectOfOneSession) {
  RadiusWriter out = order(RadiusCode::kDisconnectRequest, kTime, Signed::kYes);
  out.text(RadiusType::kAcctSessionId, acct_session);
  out.text(RadiusType::kNasIdentifier, "simplon");
  out.address(RadiusType::kNasIpAddress, RadiusType::kNasIpv6Address, *IpAddress::parse("192.0.2.1"));
  out.bytes(RadiusType::kProxyState, Buffer{1, 2});
  EXPECT_EQ(say(out), std::pair(41, 0u));
  EXPECT_THAT(ended(), ElementsAre(1));
  EXPECT_THAT(*RadiusPacket::parse(answer)->find(RadiusType::kProxyState), ElementsAre(1, 2));
}

TEST_F(RadiusOrdersTest, SessionTimeoutIsChanged) {
  RadiusWriter out = order(RadiusCode::kCoaRequest);
  out.text(RadiusType::kAcctSessionId, acct_session);
  out.number(RadiusType::kSessionTimeout, 30);
  EXPECT_EQ(say(out), std::pair(44, 0u));
  sessions.tick(now + 29s);
  EXPECT_THAT(ended(), IsEmpty());
  sessions.tick(now + 30s);
  EXPECT_THAT(ended(), ElementsAre(1));
}

TEST_F(RadiusOrdersTest, WhatCannotBeObeyedIsRefusedWhole) {
  const auto with = [&](RadiusCode code, const std::function<void(RadiusWriter&)>& add) {
    RadiusWriter out = order(code);
    out.text(RadiusType::kUserName, "alice");
    add(out);
    return say(out);
  };
  const auto coa = RadiusCode::kCoaRequest, disconnect = RadiusCode::kDisconnectRequest;
  EXPECT_EQ(with(coa, [](RadiusWriter&) {}), std::pair(45, 402u));
  EXPECT_EQ(with(coa, [](RadiusWriter& o) { o.number(RadiusType::kIdleTimeout, 9); }), std::pair(45, 401u));
  EXPECT_EQ(with(coa, [](RadiusWriter& o) { o.number(RadiusType::kServiceType, 17); }), std::pair(45, 405u));
  EXPECT_EQ(with(coa, [](RadiusWriter& o) { o.bytes(RadiusType::kSessionTimeout, Buffer{1}); }),
            std::pair(45, 407u));
  EXPECT_EQ(with(disconnect, [](RadiusWriter& o) { o.number(RadiusType::kSessionTimeout, 9); }),
            std::pair(42, 401u));
  EXPECT_EQ(with(disconnect, [](RadiusWriter& o) { o.text(RadiusType::kNasIdentifier, "another"); }),
            std::pair(42, 403u));
  EXPECT_EQ(with(disconnect,
                 [](RadiusWriter& o) {
                   o.address(RadiusType::kNasIpAddress, RadiusType::kNasIpv6Address,
                             *IpAddress::parse("192.0.2.9"));
                 }),
            std::pair(42, 403u));
  EXPECT_EQ(with(disconnect, [](RadiusWriter& o) { o.text(RadiusType::kUserName, "bob"); }),
            std::pair(42, 404u));
  EXPECT_EQ(say(order(disconnect)), std::pair(42, 402u)) << "whose?";
  EXPECT_THAT(ended(), IsEmpty());
  EXPECT_EQ(with(disconnect, [](RadiusWriter&) {}), std::pair(41, 0u)) << "the control";
}

TEST_F(RadiusOrdersTest, WhoIsNoServerOrDoesNotKnowTheSecretIsNotAnswered) {
  const Buffer good = disconnect("alice").proved_request(1, kSecret);
  EXPECT_EQ(say(good, "192.0.2.12"), std::pair(0, 0u));
  EXPECT_EQ(orders.counters().strangers, 1u);
  EXPECT_EQ(say(disconnect("alice").proved_request(1, bytes_of("another"))), std::pair(0, 0u));
  RadiusWriter with = order(RadiusCode::kDisconnectRequest, kTime, Signed::kYes);
  with.text(RadiusType::kUserName, "alice");
  Buffer wrong = with.proved_request(1, kSecret);
  wrong[25] ^= 1;  // of Message-Authenticator
  const auto proof = ike::radius_authenticator(wrong, {}, kSecret);
  std::ranges::copy(proof, wrong.begin() + 4);
  EXPECT_EQ(say(wrong), std::pair(0, 0u));
  EXPECT_EQ(orders.counters().forged, 2u);
  EXPECT_EQ(say(RadiusWriter(RadiusCode::kAccessRequest).proved_request(1, kSecret)), std::pair(0, 0u));
  EXPECT_EQ(say(Buffer(30)), std::pair(0, 0u));
  EXPECT_EQ(orders.counters().malformed, 2u);
  EXPECT_THAT(ended(), IsEmpty());
  EXPECT_EQ(say(good), std::pair(41, 0u)) << "the control";
}

// §6.3.
TEST_F(RadiusOrdersTest, AnOldOrderIsNoOrder) {
  for (const std::uint32_t time : {kTime - 301, kTime + 301, 0u, ~0u}) {
    RadiusWriter out = order(RadiusCode::kDisconnectRequest, time);
    out.text(RadiusType::kUserName, "alice");
    EXPECT_EQ(say(out), std::pair(0, 0u));
  }
  EXPECT_EQ(orders.counters().stale, 4u);
  RadiusWriter without(RadiusCode::kDisconnectRequest);
  without.text(RadiusType::kUserName, "alice");
  EXPECT_EQ(say(without), std::pair(42, 402u));
  EXPECT_THAT(ended(), IsEmpty());
  RadiusWriter out = order(RadiusCode::kDisconnectRequest, kTime - 299);
  out.text(RadiusType::kUserName, "alice");
  EXPECT_EQ(say(out), std::pair(41, 0u));
}

// §2.3.
TEST_F(RadiusOrdersTest, ARequestThatComesAgainHasTheSameAnswer) {
  const Buffer packet = disconnect("alice").proved_request(1, kSecret);
  EXPECT_EQ(say(packet), std::pair(41, 0u));
  EXPECT_THAT(ended(), ElementsAre(1, 2));
  for (const IkeSaId ike : {IkeSaId{1}, IkeSaId{2}}) sessions.stop(ike, TerminateCause::kUserRequest, now);
  sockets.sent.clear();
  EXPECT_EQ(say(packet), std::pair(41, 0u)) << "not that there is no such session";
  EXPECT_EQ(orders.counters().repeated, 1u);
}

TEST_F(RadiusOrdersTest, AReloadClosesWhatIsNotHeardAtAnyMore) {
  const int socket = sockets.last_listener();
  EXPECT_THAT(orders.configure({}), IsEmpty());
  EXPECT_TRUE(sockets.closed.contains(socket));
  EXPECT_FALSE(orders.receive({socket, {}, {}}, now));
  sockets.broken = true;
  RadiusGroup group = two_servers();
  group.dynamic_authorization = Port{3799};
  EXPECT_THAT(orders.configure({{"corp", group}}), ElementsAre(testing::HasSubstr("are not heard")));
}

}  // namespace
}  // namespace simplon::ctrl

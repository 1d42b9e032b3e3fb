// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>

#include "ike/eap/client.h"
#include "ike/eap/server.h"
#include "tests/ike/eap/talk.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

using State = EapAnswer::State;

// With the challenge and the user of RFC 2759 §9.2; its first request has the identifier 8.
EapServerSettings server_settings() {
  static const std::map<std::string, SharedSecret, std::less<>> users = {
      {"User", Secret(bytes_of("clientPass"))}, {"empty", {}}};
  EapServerSettings out;
  out.methods = {EapType::kMsChapV2};
  out.random =
      hex("5B5D7C7D7B3F2F3E3C2C602132262628 101112131415161718191A1B1C1D1E1F"
          "202122232425262728292A2B2C2D2E2F 07");
  out.password = [](std::string_view user) {
    const auto at = users.find(user);
    return at == users.end() ? nullptr : &at->second;
  };
  return out;
}
EapClientSettings client_settings(std::string user = "User", std::string_view password = "clientPass") {
  EapClientSettings out;
  out.methods = {EapType::kMsChapV2};
  out.random = hex("21402324255E262A28295F2B3A337C7E");
  out.identity = std::move(user);
  out.password = Secret(bytes_of(password));
  return out;
}

Talk conversation(std::string user, std::string_view password, const Tamper& tamper = {}) {
  const auto server = eap_server(server_settings());
  const auto client = eap_client(client_settings(std::move(user), password));
  return talk(*server, *client, "someone", tamper);
}

TEST(EapMsChapV2, BothKnowThePasswordAndHaveTheSameKey) {
  const Talk talk = conversation("BIGCO\\User", "clientPass");
  ASSERT_TRUE(talk.success()) << talk.server.why << talk.client.why;
  EXPECT_EQ(talk.server.identity, "User");
  EXPECT_EQ(talk.server.msk.size(), 64u);
  EXPECT_EQ(copy_of(talk.server.msk.bytes()), copy_of(talk.client.msk.bytes()));
}

TEST(EapMsChapV2, AnUnknownUserLooksLikeAWrongPassword) {
  const Talk wrong = conversation("User", "clientpass"), unknown = conversation("Nobody", "clientPass");
  const Talk empty = conversation("empty", "");
  for (const Talk* talk : {&wrong, &unknown, &empty}) {
    EXPECT_EQ(talk->server.state, State::kFailure);
    EXPECT_EQ(talk->client.state, State::kFailure);
    EXPECT_TRUE(talk->server.msk.empty());
    ASSERT_EQ(talk->wire.size(), 5u);
    EXPECT_EQ(talk->wire[2], wrong.wire[2]);
    EXPECT_NE(std::string(talk->wire[2].begin(), talk->wire[2].end()).find("E=691 R=1"), std::string::npos);
    EXPECT_EQ(talk->wire[4], hex("04 09 0004"));
  }
  EXPECT_NE(unknown.server.why.find("Nobody"), std::string::npos);
  EXPECT_NE(wrong.client.why.find("691"), std::string::npos);
}

// Octet by octet from draft-kamath-pppext-eap-mschapv2-02 §2, with the numbers of RFC 2759 §9.2 and RFC 3079
// §3.5.3.
TEST(EapMsChapV2, PacketsAsTheDraftWritesThem) {
  const auto server = eap_server(server_settings());
  EXPECT_EQ(at_once(server->begin("User")).packet,
            hex("01 08 0021 1a 01 01 001c 10 5B5D7C7D7B3F2F3E3C2C602132262628 73696d706c6f6e"));
  const EapAnswer success = at_once(
      server->answer(hex("02 08 0045 1a 02 01 0040 31 21402324255E262A28295F2B3A337C7E 0000000000000000 "
                         "82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF 00 424947434f5c55736572")));
  ASSERT_EQ(success.state, State::kGoOn) << success.why;
  const std::string text(success.packet.begin() + 9, success.packet.end());
  EXPECT_EQ(text, "S=407A5589115FD0D6209F510FE9C04566932CDA56 M=Welcome");
  const EapAnswer end = at_once(server->answer(hex("02 09 0006 1a 03")));
  EXPECT_EQ(end.state, State::kSuccess) << end.why;
  EXPECT_EQ(end.packet, hex("03 09 0004"));
  EXPECT_EQ(copy_of(end.msk.bytes().subspan(16, 16)), hex("8B7CDC149B993A1BA118CB153F56DCCB"));
}

TEST(EapMsChapV2, AClientSendsTheResponseOfRfc2759) {
  const auto client = eap_client(client_settings());
  const EapAnswer response =
      at_once(client->answer(hex("01 30 001d 1a 01 77 0018 10 5B5D7C7D7B3F2F3E3C2C602132262628 737276")));
  EXPECT_EQ(response.packet,
            hex("02 30 003f 1a 02 77 003a 31 21402324255E262A28295F2B3A337C7E 0000000000000000 "
                "82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF 00 55736572"));
  const Buffer success = [] {
    Buffer out = hex("01 31 0033 1a 03 77 002e");
    for (const char c : std::string_view("S=407A5589115FD0D6209F510FE9C04566932CDA56"))
      out.push_back(static_cast<std::uint8_t>(c));
    return out;
  }();
  EXPECT_EQ(at_once(client->answer(success)).packet, hex("02 31 0006 1a 03"));
  EXPECT_EQ(at_once(client->answer(hex("03 31 0004"))).state, State::kSuccess);
}

TEST(EapMsChapV2, AServerThatDoesNotKnowThePasswordIsNotBelieved) {
  auto settings = server_settings();
  const auto client = eap_client(client_settings());
  ASSERT_EQ(
      at_once(client->answer(hex("01 30 001d 1a 01 77 0018 10 5B5D7C7D7B3F2F3E3C2C602132262628 737276")))
          .state,
      State::kGoOn);
  Buffer lie = hex("01 31 0033 1a 03 77 002e");
  for (const char c : std::string_view("S=407A5589115FD0D6209F510FE9C04566932CDA57"))
    lie.push_back(static_cast<std::uint8_t>(c));
  const EapAnswer answer = at_once(client->answer(lie));
  EXPECT_EQ(answer.state, State::kFailure);
  EXPECT_TRUE(answer.packet.empty());
  EXPECT_EQ(at_once(client->answer(hex("03 31 0004"))).state, State::kFailure) << "nor afterwards";
}

TEST(EapMsChapV2, AMessageThatIsSpoiledLeadsToNoFalseSuccess) {
  const Talk good = conversation("User", "clientPass");
  ASSERT_TRUE(good.success());
  std::size_t failures = 0;
  spoil(good.wire.size(), 80, [&](const char* how, std::size_t at, const Tamper& tamper) {
    const Talk bad = conversation("User", "clientPass", tamper);
    failures += bad.success() ? 0 : 1;
    // The last one tells the client alone.
    const EapAnswer& refuses = at + 1 < good.wire.size() ? bad.server : bad.client;
    if (how != std::string_view("a bit")) {
      EXPECT_NE(refuses.state, State::kSuccess) << how << " " << at;
    }
    for (const EapAnswer* side : {&bad.server, &bad.client}) {
      if (side->state != State::kSuccess) continue;  // else it was a name or a message that nobody signs
      EXPECT_EQ(copy_of(side->msk.bytes()), copy_of(good.server.msk.bytes())) << how << " " << at;
    }
  });
  EXPECT_GT(failures, 100u);
}

// A response of "User" to a challenge, as a client that knows `password` makes it.
Buffer response_to(std::string_view challenge, std::string_view password, const char* id) {
  const auto client = eap_client(client_settings("User", password));
  const Buffer request =
      hex(std::string("01 ") + id + " 001d 1a 01 01 0018 10 " + std::string(challenge) + " 737276");
  return at_once(client->answer(request)).packet;
}
std::string text_of(const EapAnswer& answer) { return {answer.packet.begin() + 9, answer.packet.end()}; }

TEST(Rfc2759_6, AWrongPasswordMayBeTriedAgainWithANewChallengeButNotForEver) {
  for (const bool learns : {true, false}) {
    const auto server = eap_server(server_settings());
    at_once(server->begin("User"));
    EapAnswer answer = at_once(server->answer(response_to("5B5D7C7D7B3F2F3E3C2C602132262628", "one", "08")));
    EXPECT_EQ(text_of(answer), "E=691 R=1 C=101112131415161718191A1B1C1D1E1F V=3 M=Authentication failed");
    answer = at_once(server->answer(response_to("101112131415161718191A1B1C1D1E1F", "two", "09")));
    EXPECT_EQ(text_of(answer), "E=691 R=1 C=202122232425262728292A2B2C2D2E2F V=3 M=Authentication failed");
    answer = at_once(server->answer(
        response_to("202122232425262728292A2B2C2D2E2F", learns ? "clientPass" : "three", "0a")));
    ASSERT_EQ(answer.state, State::kGoOn);
    if (learns) {
      EXPECT_TRUE(text_of(answer).starts_with("S="));
      answer = at_once(server->answer(hex("02 0b 0006 1a 03")));
      EXPECT_EQ(answer.state, State::kSuccess) << answer.why;
      EXPECT_EQ(answer.identity, "User");
      EXPECT_EQ(answer.msk.size(), 64u);
      EXPECT_TRUE(answer.why.empty());
    } else {
      EXPECT_EQ(text_of(answer), "E=691 R=0 C=00000000000000000000000000000000 V=3 M=Authentication failed");
      answer = at_once(server->answer(response_to("202122232425262728292A2B2C2D2E2F", "clientPass", "0b")));
      EXPECT_EQ(answer.state, State::kFailure) << "a fourth try, with the right password";
    }
  }
}

TEST(Rfc2759_6, AnotherTryIsForItsOwnChallenge) {
  const auto server = eap_server(server_settings());
  at_once(server->begin("User"));
  at_once(server->answer(response_to("5B5D7C7D7B3F2F3E3C2C602132262628", "wrong", "08")));
  const EapAnswer old =
      at_once(server->answer(response_to("5B5D7C7D7B3F2F3E3C2C602132262628", "clientPass", "09")));
  EXPECT_TRUE(text_of(old).starts_with("E=691")) << "by the challenge of the first";
}

// What is new in a replayed conversation is the challenge.
TEST(EapMsChapV2, AResponseToAnotherChallengeIsRefused) {
  const Talk good = conversation("User", "clientPass");
  auto settings = server_settings();
  settings.random[3] ^= 1;
  const auto server = eap_server(std::move(settings));
  at_once(server->begin("User"));
  const EapAnswer refused = at_once(server->answer(good.wire[1]));
  EXPECT_EQ(refused.state, State::kGoOn) << "the failure of the method comes first";
  EXPECT_EQ(at_once(server->answer(good.wire[3])).state, State::kFailure);
}

}  // namespace
}  // namespace simplon::ike::test

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/eap_relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ctrl/radius/fake_sockets.h"

namespace simplon::ctrl {
namespace {

using testing::ElementsAre;
using Verdict = ike::RelayEapResult::Verdict;
using Signed = RadiusWriter::Signed;

struct EapRelayTest : testing::Test {
  EapRelayTest() {
    RadiusGroup group = two_servers();
    group.source = IpAddress::parse("192.0.2.1");
    client.configure({{"corp", group}});
  }
  FakeSockets::Sent ask(const Buffer& state = {}) {
    relay_eap(client,
              {.group = "corp",
               .eap = Buffer(300, 2),
               .state = state,
               .user = "alice",
               .calling = "198.51.100.7",
               .called = "192.0.2.1",
               .nas_port = 5},
              {}, [this](ike::RelayEapResult r) { result = std::move(r); });
    return sockets.take();
  }
  void microsoft(RadiusWriter& out, std::uint8_t type, Bytes value) {
    Writer vendor;
    vendor.be32(kMicrosoft);
    vendor.u8(type);
    vendor.u8(static_cast<std::uint8_t>(2 + value.size()));
    vendor.bytes(value);
    out.bytes(RadiusType::kVendorSpecific, vendor.view());
  }
  // RFC 2548 §2.4.2: a salt, and the key encrypted, by the function that decrypts: of a clear text that is
  // known the mask follows.
  Buffer encrypted(Bytes key, const RadiusAuthenticator& request) {
    Buffer clear{static_cast<std::uint8_t>(key.size())};
    clear.insert(clear.end(), key.begin(), key.end());
    clear.resize((clear.size() + 15) / 16 * 16);
    Buffer out{0x80, 1};
    for (std::size_t at = 0; at < clear.size(); at += 16) {
      // MD5(secret, what was before): as a "packet" of four octets, an authenticator and the rest.
      Buffer input(kRadiusSecret.begin(), kRadiusSecret.end());
      if (at == 0) input.insert(input.end(), request.begin(), request.end());
      input.insert(input.end(), out.end() - (at == 0 ? 2 : 16), out.end());
      RadiusAuthenticator middle{};
      std::copy_n(input.begin() + 4, 16, middle.begin());
      const auto mask = ike::radius_authenticator(input, middle, {});
      for (std::size_t i = 0; i < 16; ++i) out.push_back(clear[at + i] ^ mask[i]);
    }
    return out;
  }

  FakeSockets sockets;
  RadiusClient client{sockets, ike::Entropy(Secret(Buffer(32, 1))), [](const std::string&) {}};
  std::optional<ike::RelayEapResult> result;
};

TEST_F(EapRelayTest, TheRequestSaysWhoAsks) {
  const auto sent = ask();
  const auto request = RadiusPacket::parse(sent.bytes);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->message_authentic(request->authenticator(), bytes_of(kRadiusSecret)),
            RadiusPacket::Authentic::kYes);
  EXPECT_EQ(request->text(RadiusType::kUserName), "alice");
  EXPECT_EQ(request->text(RadiusType::kNasIdentifier), "simplon");
  EXPECT_EQ(request->address(RadiusType::kNasIpAddress), IpAddress::parse("192.0.2.1"));
  EXPECT_EQ(request->number(RadiusType::kNasPort), 5u);
  EXPECT_EQ(request->text(RadiusType::kCallingStationId), "198.51.100.7");
  EXPECT_EQ(request->joined(RadiusType::kEapMessage), Buffer(300, 2));
  EXPECT_FALSE(request->find(RadiusType::kState));
}

TEST_F(EapRelayTest, AChallengeBringsStateBackToItsServer) {
  RadiusWriter challenge(RadiusCode::kAccessChallenge, Signed::kYes);
  challenge.eap(Buffer(400, 1));
  challenge.bytes(RadiusType::kState, Buffer{7, 8});
  client.receive(answer_to(ask(), challenge));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->verdict, Verdict::kChallenge);
  EXPECT_EQ(result->eap, Buffer(400, 1));
  const auto next = ask(result->state);
  EXPECT_EQ(next.to.address.text(), "192.0.2.10");
  const auto state = RadiusPacket::parse(next.bytes)->find(RadiusType::kState);
  ASSERT_TRUE(state);
  EXPECT_THAT(*state, ElementsAre(7, 8));
  EXPECT_EQ(ask({1, 7, 8}).to.address.text(), "192.0.2.11");
}

TEST_F(EapRelayTest, AnAcceptBringsTheKeyAndWhatIsGranted) {
  const auto sent = ask();
  const auto authenticator = RadiusPacket::parse(sent.bytes)->authenticator();
  RadiusWriter accept(RadiusCode::kAccessAccept, Signed::kYes);
  accept.eap(Buffer{3, 6, 0, 4});
  microsoft(accept, kMsMppeSendKey, encrypted(Buffer(32, 0x55), authenticator));
  microsoft(accept, kMsMppeRecvKey, encrypted(Buffer(32, 0xaa), authenticator));
  microsoft(accept, kMsPrimaryDnsServer, Buffer{192, 0, 2, 53});
  accept.address(RadiusType::kFramedIpAddress, RadiusType::kFramedIpv6Address,
                 *IpAddress::parse("198.18.64.9"));
  accept.address(RadiusType::kFramedIpAddress, RadiusType::kFramedIpv6Address,
                 *IpAddress::parse("2001:db8::9"));
  accept.bytes(RadiusType::kClass, Buffer{1});
  accept.bytes(RadiusType::kClass, Buffer{2});
  accept.number(RadiusType::kSessionTimeout, 3600);
  accept.number(RadiusType::kIdleTimeout, 600);
  accept.number(RadiusType::kAcctInterimInterval, 120);
  accept.text(RadiusType::kUserName, "alice@corp");
  client.receive(answer_to(sent, accept));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->verdict, Verdict::kAccept);
  Buffer msk(32, 0xaa);
  msk.resize(64, 0x55);
  EXPECT_THAT(result->msk.bytes(), testing::ElementsAreArray(msk)) << "the receive key first";
  const ike::RadiusGrant& grant = result->grant;
  EXPECT_THAT(grant.addresses,
              ElementsAre(*IpAddress::parse("198.18.64.9"), *IpAddress::parse("2001:db8::9")));
  EXPECT_THAT(grant.dns, ElementsAre(*IpAddress::parse("192.0.2.53")));
  EXPECT_EQ(grant.class_, (Buffer{25, 3, 1, 25, 3, 2}));
  EXPECT_EQ(grant.session_timeout, std::chrono::seconds(3600));
  EXPECT_EQ(grant.idle_timeout, std::chrono::seconds(600));
  EXPECT_EQ(grant.interim, std::chrono::seconds(120));
  EXPECT_EQ(grant.user_name, "alice@corp");
}

// Of EAP-MSCHAPv2: RFC 3748 §7.10 wants 64.
TEST_F(EapRelayTest, ShortKeysAreFilledWithZeros) {
  const auto sent = ask();
  const auto authenticator = RadiusPacket::parse(sent.bytes)->authenticator();
  RadiusWriter accept(RadiusCode::kAccessAccept, Signed::kYes);
  microsoft(accept, kMsMppeSendKey, encrypted(Buffer(16, 0x55), authenticator));
  microsoft(accept, kMsMppeRecvKey, encrypted(Buffer(16, 0xaa), authenticator));
  client.receive(answer_to(sent, accept));
  Buffer msk(16, 0xaa);
  msk.resize(32, 0x55);
  msk.resize(64);
  EXPECT_THAT(result->msk.bytes(), testing::ElementsAreArray(msk));
}

TEST_F(EapRelayTest, HalfOfTheKeysIsNone) {
  const auto sent = ask();
  RadiusWriter accept(RadiusCode::kAccessAccept, Signed::kYes);
  microsoft(accept, kMsMppeRecvKey,
            encrypted(Buffer(32, 1), RadiusPacket::parse(sent.bytes)->authenticator()));
  client.receive(answer_to(sent, accept));
  EXPECT_EQ(result->verdict, Verdict::kAccept);
  EXPECT_TRUE(result->msk.empty());
}

// RFC 2865 §5.8.
TEST_F(EapRelayTest, AddressesThatAreNoneAreNotGranted) {
  for (const char* address : {"255.255.255.255", "255.255.255.254", "0.0.0.0"}) {
    RadiusWriter accept(RadiusCode::kAccessAccept, Signed::kYes);
    accept.address(RadiusType::kFramedIpAddress, RadiusType::kFramedIpv6Address, *IpAddress::parse(address));
    client.receive(answer_to(ask(), accept));
    EXPECT_THAT(result->grant.addresses, testing::IsEmpty()) << address;
  }
}

TEST_F(EapRelayTest, ARejectSaysWhy) {
  RadiusWriter reject(RadiusCode::kAccessReject, Signed::kYes);
  reject.text(RadiusType::kReplyMessage, "not today");
  reject.eap(Buffer{4, 6, 0, 4});
  client.receive(answer_to(ask(), reject));
  EXPECT_EQ(result->verdict, Verdict::kReject);
  EXPECT_EQ(result->why, "the RADIUS server rejects the user: not today");
  EXPECT_EQ(result->eap, (Buffer{4, 6, 0, 4}));
}

TEST_F(EapRelayTest, NobodyAnswers) {
  client.configure({});
  EXPECT_FALSE(result);
  ask();
  EXPECT_EQ(result->verdict, Verdict::kUnreachable);
}

}  // namespace
}  // namespace simplon::ctrl

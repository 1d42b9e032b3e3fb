// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/packet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ctrl/radius/fake_sockets.h"

namespace simplon::ctrl {
namespace {

constexpr RadiusAuthenticator kRandom{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
const Bytes kSecret = bytes_of(kRadiusSecret);
using Authentic = RadiusPacket::Authentic;
using Signed = RadiusWriter::Signed;

Buffer raw(std::initializer_list<std::uint8_t> attributes) {
  Buffer out(20 + attributes.size());
  out[0] = 1;
  out[1] = 7;
  out[3] = static_cast<std::uint8_t>(out.size());
  std::copy(attributes.begin(), attributes.end(), out.begin() + 20);
  return out;
}

TEST(Rfc2865, APacketIsReadAsItWasWritten) {
  RadiusWriter out(RadiusCode::kAccessRequest, Signed::kYes);
  out.text(RadiusType::kUserName, "alice");
  out.number(RadiusType::kNasPort, 0x01020304);
  out.address(RadiusType::kNasIpAddress, RadiusType::kNasIpv6Address, *IpAddress::parse("2001:db8::1"));
  out.bytes(RadiusType::kState, {});
  const Buffer packet = out.request(9, kRandom, kSecret);
  const auto read = RadiusPacket::parse(packet);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->code(), RadiusCode::kAccessRequest);
  EXPECT_EQ(read->id(), 9);
  EXPECT_EQ(read->authenticator(), kRandom);
  EXPECT_EQ(read->attributes().front().type, RadiusType::kMessageAuthenticator) << "before all others";
  EXPECT_EQ(read->text(RadiusType::kUserName), "alice");
  EXPECT_EQ(read->number(RadiusType::kNasPort), 0x01020304u);
  EXPECT_EQ(read->address(RadiusType::kNasIpv6Address), IpAddress::parse("2001:db8::1"));
  EXPECT_FALSE(read->find(RadiusType::kNasIpAddress));
  EXPECT_FALSE(read->find(RadiusType::kState)) << "an attribute has a value";
  EXPECT_EQ(read->message_authentic(kRandom, kSecret), Authentic::kYes);
}

TEST(Rfc2865, OctetsBehindTheLengthArePadding) {
  Buffer packet = raw({1, 3, 'a'});
  packet.push_back(0xff);
  const auto read = RadiusPacket::parse(packet);
  ASSERT_TRUE(read);
  EXPECT_THAT(read->attributes(), testing::SizeIs(1));
}

TEST(Rfc2865, WrongLengthsAreNoPacket) {
  EXPECT_TRUE(RadiusPacket::parse(raw({1, 3, 'a'}))) << "the control";
  EXPECT_FALSE(RadiusPacket::parse({}));
  EXPECT_FALSE(RadiusPacket::parse(Bytes(raw({1, 3, 'a'})).first(22)));
  EXPECT_FALSE(RadiusPacket::parse(raw({1, 4, 'a'})));
  EXPECT_FALSE(RadiusPacket::parse(raw({1, 1, 'a'})));
  EXPECT_FALSE(RadiusPacket::parse(raw({1, 0})));
  EXPECT_FALSE(RadiusPacket::parse(raw({1, 3, 'a', 1})));
  Buffer short_length = raw({1, 3, 'a'});
  short_length[3] = 19;
  EXPECT_FALSE(RadiusPacket::parse(short_length));
  Buffer large(5000);
  store_be16(large.data() + 2, 4097);
  EXPECT_FALSE(RadiusPacket::parse(large));
}

TEST(Rfc3579, EapIsSplitAndJoined) {
  Buffer eap(1000);
  for (std::size_t i = 0; i < eap.size(); ++i) eap[i] = static_cast<std::uint8_t>(i * 7);
  RadiusWriter out(RadiusCode::kAccessRequest);
  out.eap(eap);
  const Buffer packet = out.request(0, kRandom, kSecret);
  const auto read = RadiusPacket::parse(packet);
  ASSERT_TRUE(read);
  EXPECT_THAT(read->attributes(), testing::SizeIs(4));
  EXPECT_EQ(read->joined(RadiusType::kEapMessage), eap);
}

TEST(Rfc3579, AMessageAuthenticatorIsOneAndWhole) {
  RadiusWriter out(RadiusCode::kAccessAccept, Signed::kYes);
  out.text(RadiusType::kUserName, "alice");
  Buffer packet = out.response(1, kRandom, kSecret);
  ASSERT_EQ(RadiusPacket::parse(packet)->message_authentic(kRandom, kSecret), Authentic::kYes);
  EXPECT_TRUE(RadiusPacket::parse(packet)->answers(kRandom, kSecret));
  EXPECT_FALSE(RadiusPacket::parse(packet)->answers(kRandom, bytes_of("another")));
  EXPECT_EQ(RadiusPacket::parse(packet)->message_authentic({}, kSecret), Authentic::kNo);
  packet.back() ^= 1;
  EXPECT_EQ(RadiusPacket::parse(packet)->message_authentic(kRandom, kSecret), Authentic::kNo);
  EXPECT_FALSE(RadiusPacket::parse(packet)->answers(kRandom, kSecret));
  const Buffer without = RadiusWriter(RadiusCode::kAccessAccept).response(1, kRandom, kSecret);
  EXPECT_EQ(RadiusPacket::parse(without)->message_authentic(kRandom, kSecret), Authentic::kAbsent);
  EXPECT_FALSE(RadiusPacket::parse(raw({80, 3, 0})));
  const std::array<std::uint8_t, 16> zeros{};
  RadiusWriter twice(RadiusCode::kAccessAccept, Signed::kYes);
  twice.bytes(RadiusType::kMessageAuthenticator, zeros);
  EXPECT_FALSE(RadiusPacket::parse(twice.response(1, kRandom, kSecret)));
}

TEST(Rfc2865, NothingThatIsTooLargeIsWritten) {
  RadiusWriter value(RadiusCode::kAccessRequest);
  value.bytes(RadiusType::kState, Buffer(254));
  EXPECT_TRUE(value.request(0, kRandom, kSecret).empty());
  RadiusWriter whole(RadiusCode::kAccessRequest);
  whole.eap(Buffer(4060));
  EXPECT_TRUE(whole.request(0, kRandom, kSecret).empty());
  RadiusWriter cut(RadiusCode::kAccessRequest);
  cut.text(RadiusType::kUserName, std::string(300, 'a'));
  EXPECT_EQ(cut.request(0, kRandom, kSecret).size(), 20u + 255u);
}

TEST(Rfc2865, VendorAttributesAreFoundAndBounded) {
  const auto packet = [](std::initializer_list<std::uint8_t> value) {
    RadiusWriter out(RadiusCode::kAccessAccept);
    out.bytes(RadiusType::kVendorSpecific, Buffer(value));
    return out.request(0, kRandom, kSecret);
  };
  const auto find = [](const Buffer& from) {
    const auto found = RadiusPacket::parse(from)->vendor(kMicrosoft, 17);
    return found ? std::optional(Buffer(found->begin(), found->end())) : std::nullopt;
  };
  EXPECT_EQ(find(packet({0, 0, 1, 0x37, 16, 3, 9, 17, 4, 1, 2})), (Buffer{1, 2}));
  EXPECT_EQ(find(packet({0, 0, 1, 0x38, 17, 4, 1, 2})), std::nullopt);
  EXPECT_EQ(find(packet({0, 0, 1, 0x37, 17, 5, 1, 2})), std::nullopt);
  EXPECT_EQ(find(packet({0, 0, 1, 0x37, 16, 0, 17, 4, 1, 2})), std::nullopt);
  EXPECT_EQ(find(packet({0, 0, 1})), std::nullopt);
}

TEST(Rfc2865, TextIsPrintable) {
  RadiusWriter out(RadiusCode::kAccessAccept);
  out.text(RadiusType::kUserName, "alice\nbob");
  out.text(RadiusType::kReplyMessage, "Grüezi");
  const Buffer packet = out.request(0, kRandom, kSecret);
  EXPECT_EQ(RadiusPacket::parse(packet)->text(RadiusType::kUserName), "");
  EXPECT_EQ(RadiusPacket::parse(packet)->text(RadiusType::kReplyMessage), "Grüezi");
}

}  // namespace
}  // namespace simplon::ctrl

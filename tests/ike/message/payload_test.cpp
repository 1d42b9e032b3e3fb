// SPDX-License-Identifier: Apache-2.0
// IKE messages on the wire: what is written is read again, and what is malformed is said to be.
#include "ike/message/payload.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ike/message/payload_writer.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

std::uint8_t number(PayloadType t) { return static_cast<std::uint8_t>(t); }
Result<Payloads> parse(PayloadType first, std::string_view chain) {
  return parse_payloads(number(first), hex(chain));
}
// One payload with a body, alone in its chain.
Result<Payloads> parse_one(PayloadType type, std::string_view body, std::uint8_t flags = 0) {
  const Buffer b = hex(body);
  Writer chain;
  chain.u8(0);
  chain.u8(flags);
  chain.be16(static_cast<std::uint16_t>(b.size() + 4));
  chain.bytes(b);
  return parse_payloads(number(type), chain.view());
}
Result<Payloads> parse_again(const PayloadWriter& w) { return parse_payloads(w.first(), w.bytes()); }

PayloadWriter everything() {
  PayloadWriter w;
  w.sa({*Proposal::parse("aes128gcm16-prfsha256-x25519", ProtocolId::kIke)});
  w.ke(DhGroup::kX25519, Buffer(32, 7));
  w.nonce(Buffer(16, 1));
  w.id(PayloadType::kIdi, *Identity::parse("a.example"));
  w.id(PayloadType::kIdr, *Identity::parse("192.0.2.1"));
  w.auth(Buffer(32, 3));
  w.notify(NotifyType::kRekeySa, {}, ProtocolId::kEsp, hex("01020304"));
  w.notify(NotifyType::kInvalidKePayload, hex("001f"));
  w.del(ProtocolId::kEsp, {hex("01020304"), hex("05060708")});
  w.del(ProtocolId::kIke, {});
  w.ts(PayloadType::kTsi, {*TrafficSelector::parse("192.0.2.0/24[tcp/443]")});
  w.ts(PayloadType::kTsr, {*TrafficSelector::parse("2001:db8::/32"), *TrafficSelector::parse("0.0.0.0/0")});
  return w;
}

}  // namespace

TEST(Rfc7296_3, EveryPayloadIsReadAsItWasWritten) {
  const auto p = parse_again(everything());
  ASSERT_TRUE(p.has_value()) << p.error().what;
  EXPECT_EQ(p->sa, std::vector{*Proposal::parse("aes128gcm16-prfsha256-x25519", ProtocolId::kIke)});
  EXPECT_EQ(p->ke->group, 31);
  EXPECT_EQ(p->ke->data, Buffer(32, 7));
  EXPECT_EQ(p->nonce, Buffer(16, 1));
  EXPECT_EQ(p->idi, *Identity::parse("a.example"));
  EXPECT_EQ(p->idr_body, hex("01000000 c0000201"));
  EXPECT_EQ(p->auth->method, AuthMethod::kSharedKey);
  ASSERT_EQ(p->notifies.size(), 2U);
  EXPECT_EQ(p->find(NotifyType::kRekeySa)->spi, hex("01020304"));
  EXPECT_EQ(p->error()->type, NotifyType::kInvalidKePayload);
  ASSERT_EQ(p->deletes.size(), 2U);
  EXPECT_EQ(p->deletes[0].spis, (std::vector{hex("01020304"), hex("05060708")}));
  EXPECT_TRUE(p->deletes[1].protocol == ProtocolId::kIke && p->deletes[1].spis.empty());
  EXPECT_EQ(p->tsi->front().text(), TrafficSelector::parse("192.0.2.0/24[tcp/443]")->text());
  EXPECT_EQ(p->tsr->size(), 2U);
  EXPECT_FALSE(p->unknown_critical);
}

TEST(Rfc7296_3, NoPrefixOfAChainIsTakenForTheWhole) {
  const PayloadWriter w = everything();
  for (std::size_t n = 0; n < w.bytes().size(); ++n)
    ASSERT_FALSE(parse_payloads(w.first(), Bytes(w.bytes()).first(n))) << n;
}

TEST(Rfc7296_3_1, Header) {
  PayloadWriter w;
  w.nonce(Buffer(16, 1));
  const Buffer m = write_message({.spi_i = 0x0102030405060708,
                                  .exchange = Exchange::kIkeSaInit,
                                  .flags = kFlagInitiator,
                                  .message_id = 9},
                                 w);
  EXPECT_EQ(Buffer(m.begin(), m.begin() + 28),
            hex("0102030405060708 0000000000000000 28 20 22 08 00000009 00000030"));
  const auto h = parse_header(m);
  ASSERT_TRUE(h.has_value());
  EXPECT_TRUE(h->spi_i == 0x0102030405060708 && h->spi_r == 0 && h->next == 40 && h->message_id == 9);
  EXPECT_TRUE(h->initiator() && !h->response());
  EXPECT_FALSE(parse_header(Bytes(m).first(m.size() - 1))) << "shorter than its length field";
  EXPECT_FALSE(parse_header(Bytes(m).first(27)));
  Buffer longer = m, no_spi = m;
  longer.push_back(0);
  std::fill_n(no_spi.begin(), 8, std::uint8_t{0});
  EXPECT_FALSE(parse_header(longer));
  EXPECT_FALSE(parse_header(no_spi));
}

TEST(Rfc7296_2_5, UnknownPayloads) {
  EXPECT_FALSE(parse_one(PayloadType{200}, "0102", 0)->unknown_critical);
  EXPECT_EQ(parse_one(PayloadType{200}, "0102", 0x80)->unknown_critical, 200);
  // The bit is ignored for the payloads of the RFC itself, also those that we do nothing with.
  for (PayloadType known :
       {PayloadType::kVendor, PayloadType::kCert, PayloadType::kCertReq, PayloadType::kCp, PayloadType::kEap})
    EXPECT_FALSE(parse_one(known, "0102", 0x80)->unknown_critical);
}

TEST(Rfc7296_3_2, LengthsThatDoNotFit) {
  EXPECT_FALSE(parse(PayloadType::kVendor, "00 00 0003"));
  EXPECT_FALSE(parse(PayloadType::kVendor, "00 00 0005"));
  EXPECT_FALSE(parse(PayloadType::kVendor, "2b 00 0004")) << "names a next payload that is not there";
  EXPECT_TRUE(parse(PayloadType::kVendor, "00 00 0004"));
  PayloadWriter many;
  for (int i = 0; i < 65; ++i) many.add(PayloadType::kVendor, {});
  EXPECT_FALSE(parse_again(many));
}

TEST(Rfc7296_3_3, SaPayloadOnTheWire) {
  PayloadWriter w;
  Proposal esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
  esp.spi = hex("c0ffee01");
  w.sa({esp});
  EXPECT_EQ(w.bytes(), hex("00 00 0024  00 00 0020 01 03 04 02 c0ffee01"
                           "03 00 000c 01 00 0014 800e 0080  00 00 0008 05 00 0000"));
}

TEST(Rfc7296_3_3_5, AnAlgorithmOfOneKeyLengthHasNoAttribute) {
  constexpr Encr kOne{"one", EncrId::kAesGcm16, KeyLength::kFixed, 32, 4, 8, 16, 4, "one", "ONE"};
  PayloadWriter out;
  out.sa({Proposal{.protocol = ProtocolId::kEsp, .encrs = {&kOne}, .integs = {}, .prfs = {}, .groups = {}}});
  // Payload header, proposal header, one transform of 8 bytes: ENCR_AES_GCM_16 alone.
  EXPECT_EQ(out.bytes(), hex("00000014"
                             "0000001001030001"
                             "0000000801000014"));
}

TEST(Rfc7296_3_9, NonceLengths) {
  for (const std::size_t n : {0U, 15U, 257U}) {
    PayloadWriter w;
    w.nonce(Buffer(n, 1));
    EXPECT_FALSE(parse_again(w)) << n;
  }
  PayloadWriter w;
  w.nonce(Buffer(256, 1));
  EXPECT_TRUE(parse_again(w));
}

TEST(Rfc7296_3_10, MalformedNotifyAndDelete) {
  EXPECT_FALSE(parse_one(PayloadType::kNotify, "03 04 4009 010203")) << "SPI longer than the payload";
  EXPECT_FALSE(parse_one(PayloadType::kNotify, "03 00"));
  EXPECT_FALSE(parse_one(PayloadType::kDelete, "03 04 0002 01020304")) << "one SPI of two";
  EXPECT_FALSE(parse_one(PayloadType::kDelete, "03 04 0001 0102030405")) << "more than one";
  EXPECT_FALSE(parse_one(PayloadType::kDelete, "01 00 ffff")) << "SPIs without a size";
  EXPECT_FALSE(parse_one(PayloadType::kDelete, "03 01 0004 01020304")) << "SPIs of one octet";
}

TEST(Rfc7296_3_13, TrafficSelectorsOnTheWire) {
  EXPECT_TRUE(parse_one(PayloadType::kTsi, "01 000000  07 11 0010 ffff 0000 c0000200 c00002ff")) << "OPAQUE";
  EXPECT_FALSE(parse_one(PayloadType::kTsi, "01 000000  07 11 0010 0100 00ff c0000200 c00002ff"))
      << "no range, nor OPAQUE";
  EXPECT_FALSE(parse_one(PayloadType::kTsi, "01 000000  07 00 0010 0000 ffff c0000205 c0000204"))
      << "ends first";
  EXPECT_FALSE(parse_one(PayloadType::kTsi, "01 000000  07 00 0028 0000 ffff c0000200 c00002ff")) << "length";
  EXPECT_FALSE(parse_one(PayloadType::kTsi, "02 000000  07 00 0010 0000 ffff c0000200 c00002ff"))
      << "one of two";
  const auto unknown = parse_one(
      PayloadType::kTsi, "02 000000  09 00 000c 0000 ffff 01020304  07 06 0010 01bb 01bb c0000200 c00002ff");
  ASSERT_TRUE(unknown.has_value());
  EXPECT_EQ(unknown->tsi, TrafficSelectors{*TrafficSelector::parse("192.0.2.0/24[tcp/443]")});
}

TEST(Rfc7296_3_14, SkIsTheLastPayload) {
  const std::string header = "0102030405060708 1112131415161718 2e 20 25 08 00000001 ";
  const auto sk = find_sk(hex(header + "00000024 28 00 0008 01020304"));
  ASSERT_TRUE(sk.has_value());
  EXPECT_TRUE(sk->body == 32 && sk->first == 40);
  EXPECT_FALSE(find_sk(hex(header + "00000025 28 00 0008 01020304 00"))) << "something behind it";
  EXPECT_FALSE(find_sk(hex(header + "00000024 28 00 0009 01020304")));
  EXPECT_FALSE(find_sk(hex(header + "0000001c")));
  EXPECT_FALSE(find_sk(Buffer(20)));
}

TEST(Rfc7383_2_5, SkfIsTheLastPayloadAndHasANumberOfATotal) {
  const std::string header = "0102030405060708 1112131415161718 35 20 25 08 00000001 ";
  const auto skf = find_sk(hex(header + "00000028 28 00 000c 0002 0003 01020304"));
  ASSERT_TRUE(skf.has_value());
  EXPECT_TRUE(skf->fragment() && skf->body == 36 && skf->first == 40 && skf->number == 2 && skf->total == 3);
  EXPECT_TRUE(find_sk(hex(header + "00000024 28 00 0008 ffff ffff"))) << "the largest, and nothing inside";
  for (const char* numbers : {"0000 0003", "0004 0003", "0000 0000", "0001 0000"})
    EXPECT_FALSE(find_sk(hex(header + "00000028 28 00 000c" + numbers + "01020304"))) << numbers;
  EXPECT_FALSE(find_sk(hex(header + "00000023 28 00 0007 0002 00"))) << "cut off";
  EXPECT_FALSE(find_sk(hex(header + "00000029 28 00 000c 0002 0003 01020304 00"))) << "something behind it";
}

TEST(Rfc7383_2_5, ABufferOfSeveralMessagesIsOneDatagramEach) {
  const auto message = [](std::uint32_t length) {
    Buffer out(length);
    store_be32(out.data() + 24, length);
    return out;
  };
  Buffer all = message(30);
  const Buffer other = message(28);
  all.insert(all.end(), other.begin(), other.end());
  const auto sizes = [](const Buffer& of) {
    std::vector<std::size_t> out;
    for (const Bytes datagram : datagrams_of(of)) out.push_back(datagram.size());
    return out;
  };
  EXPECT_EQ(sizes(all), (std::vector<std::size_t>{30, 28}));
  EXPECT_EQ(sizes({}), std::vector<std::size_t>{});
  store_be32(all.data() + 30 + 24, 27);
  EXPECT_EQ(sizes(all), (std::vector<std::size_t>{30, 28})) << "shorter than a header: the rest as it is";
  store_be32(all.data() + 24, 59);
  EXPECT_EQ(sizes(all), std::vector<std::size_t>{58}) << "longer than what is there";
  EXPECT_EQ(sizes(Buffer(5)), std::vector<std::size_t>{5});
}

}  // namespace simplon::ike::test

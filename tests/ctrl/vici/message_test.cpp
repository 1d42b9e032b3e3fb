// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "ctrl/vici/packet.h"

namespace simplon::vici {
namespace {

Buffer bytes(std::string_view text) { return Buffer(text.begin(), text.end()); }

// The example of the protocol's description, "Encoding example".
TEST(ViciMessage, EncodesTheExampleOfTheDescription) {
  Message sub, section, message;
  sub.add("key2", "value2");
  section.add("sub-section", sub).add_list("list1", {"item1", "item2"});
  message.add("key1", "value1").add("section1", section);
  using namespace std::string_view_literals;
  const Buffer wanted = bytes(
      "\3\4key1\0\6value1\1\10section1\1\13sub-section\3\4key2\0\6value2\2"
      "\4\5list1\5\0\5item1\5\0\5item2\6\2"sv);
  EXPECT_EQ(encode(message), wanted);
  const Result<Message> back = decode(wanted);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, message);
  EXPECT_EQ(back->section("section1")->section("sub-section")->get("key2"), "value2");
  EXPECT_EQ(back->section("section1")->list("list1")->size(), 2u);
}

TEST(ViciMessage, EveryBeginningOfAMessageIsAMessageOrAnError) {
  Message message;
  message.add("key", "value").add_list("list", {"a", "b"}).add("section", Message().add("k", "v"));
  const Buffer whole = encode(message);
  std::size_t messages = 0;
  for (std::size_t n = 0; n <= whole.size(); ++n) messages += decode(Bytes(whole).first(n)).has_value();
  EXPECT_EQ(messages, 4u);  // nothing, the key, the key and the list, all
}

TEST(ViciMessage, WhatTheFormatForbidsIsRefused) {
  using namespace std::string_view_literals;
  for (const std::string_view bad : {"\2"sv,                 // closes what is not open
                                     "\1\1s"sv,              // never closed
                                     "\4\1l\3\1k\0\1v\6"sv,  // a key in a list
                                     "\4\1l\4\1m\6\6"sv,     // a list in a list
                                     "\5\0\1v"sv,            // an item outside
                                     "\0"sv, "\7"sv, "\3\377k"sv, "\3\1k\377\377v"sv})
    EXPECT_FALSE(decode(bytes(bad))) << testing::PrintToString(bad);
}

TEST(ViciMessage, NestingIsBounded) {
  const auto nested = [](std::size_t depth) {
    Buffer out;
    for (std::size_t i = 0; i < depth; ++i) out.insert(out.end(), {1, 1, 's'});
    out.insert(out.end(), depth, 2);
    return out;
  };
  EXPECT_TRUE(decode(nested(kMaxDepth)));
  EXPECT_FALSE(decode(nested(kMaxDepth + 1)));
  EXPECT_FALSE(decode(nested(170'000)));
}

TEST(ViciMessage, WhatNoLengthFieldCanSayIsCut) {
  const Message message = Message().add(std::string(300, 'n'), std::string(70'000, 'v'));
  const Result<Message> back = decode(encode(message));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->get(std::string(255, 'n')).size(), kMaxValueBytes);
}

TEST(ViciMessage, WipeLeavesNoValue) {
  Message message;
  message.add("key", "secret").add_list("l", {"secret"}).add("s", Message().add("k", "secret"));
  message.wipe();
  const Buffer out = encode(message);
  EXPECT_EQ(std::string(out.begin(), out.end()).find("secret"), std::string::npos);
}

TEST(ViciPacket, NamesBelongToSomeTypesOnly) {
  for (const auto type :
       {PacketType::kCommandRequest, PacketType::kCommandResponse, PacketType::kCommandUnknown,
        PacketType::kEventRegister, PacketType::kEventUnregister, PacketType::kEventConfirm,
        PacketType::kEventUnknown, PacketType::kEvent}) {
    const Packet packet{type, has_name(type) ? "list-sas" : "", Message().add("a", "b")};
    const Result<Buffer> out = encode(packet);
    ASSERT_TRUE(out);
    EXPECT_EQ(load_be32(out->data()), out->size() - 4);
    const Result<Packet> back = decode_packet(Bytes(*out).subspan(4));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->type, type);
    EXPECT_EQ(back->name, packet.name);
    EXPECT_EQ(back->message, packet.message);
  }
  EXPECT_FALSE(decode_packet({}));
  EXPECT_FALSE(decode_packet(Buffer{8}));
  EXPECT_FALSE(decode_packet(Buffer{0, 5, 'a'}));
}

TEST(ViciPacket, TooLargeForASegmentIsAnErrorBeforeItIsSent) {
  Message message;
  for (int i = 0; i < 9; ++i) message.add("k", std::string(kMaxValueBytes, 'x'));
  EXPECT_FALSE(encode(Packet{PacketType::kCommandResponse, {}, message}));
}

TEST(ViciFramer, AnySplitOfTheStreamGivesTheSameSegments) {
  Buffer stream;
  for (const auto* command : {"version", "stats", "list-sas"}) {
    const Result<Buffer> one = encode(Packet{PacketType::kCommandRequest, command, {}});
    stream.insert(stream.end(), one->begin(), one->end());
  }
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    Framer framer;
    std::vector<std::string> names;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      framer.append(Bytes(stream).subspan(at, std::min(step, stream.size() - at)));
      for (auto segment = framer.next(); segment && *segment; segment = framer.next())
        names.push_back(decode_packet(**segment)->name);
    }
    EXPECT_EQ(names, (std::vector<std::string>{"version", "stats", "list-sas"})) << step;
  }
}

TEST(ViciFramer, LengthsThatAreNotAllowedEndTheStream) {
  for (const Buffer& start : {Buffer{0, 8, 0, 1}, Buffer{255, 255, 255, 255}, Buffer{0, 0, 0, 0}}) {
    Framer framer;
    framer.append(start);
    EXPECT_FALSE(framer.next());
  }
  Framer framer;
  framer.append(Buffer{0, 8, 0, 0});  // 512 KB are
  EXPECT_TRUE(framer.next());
}

}  // namespace
}  // namespace simplon::vici

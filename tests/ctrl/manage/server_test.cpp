// SPDX-License-Identifier: Apache-2.0
// Sessions of the management socket: requests, answers and listings.
#include "tests/ctrl/manage/vici_socket.h"

namespace simplon::ctrl {
namespace {

using vici::Client;
using vici::Message;
using vici::PacketType;

TEST_F(ViciSocket, UnknownCommandsAndEventsAreSaid) {
  with_client([](Client& client) {
    EXPECT_FALSE(client.call("make-coffee", {}));
    EXPECT_FALSE(client.subscribe("coffee-ready"));
    EXPECT_TRUE(client.call("version", {}));
    return 0;
  });
}

TEST_F(ViciSocket, AClientThatBreaksTheProtocolIsHungUpOnAndOthersAreNot) {
  const int good = raw_connect(path_), bad = raw_connect(path_), response = raw_connect(path_);
  server_->poll(now_);
  EXPECT_EQ(server_->sessions(), 3u);
  EXPECT_EQ(send(bad, "\xff\xff\xff\xff", 4, 0), 4);
  raw_send(response, {PacketType::kCommandResponse, {}, {}});
  raw_send(good, {PacketType::kCommandRequest, "version", {}});
  server_->poll(now_);
  server_->poll(now_);
  EXPECT_EQ(server_->sessions(), 1u);
  std::array<char, 512> answer;
  EXPECT_GT(recv(good, answer.data(), answer.size(), 0), 40);
  for (const int fd : {good, bad, response}) close(fd);
  server_->poll(now_);
  EXPECT_EQ(server_->sessions(), 0u);
}

bool hung_up(int fd) {
  char byte = 0;
  return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

// Clients that connect and ask for nothing must not lock the console out.
TEST_F(ViciSocket, ClientThatAskedForNothingTheLongestGivesUpItsPlace) {
  open({.sessions = 2});
  const int first = raw_connect(path_);
  server_->poll(now_);
  now_ += std::chrono::seconds(1);
  const int second = raw_connect(path_);
  server_->poll(now_);
  now_ += std::chrono::seconds(1);
  raw_send(first, {PacketType::kCommandRequest, "version", {}});
  server_->poll(now_);
  const int third = raw_connect(path_);
  server_->poll(now_);
  EXPECT_EQ(server_->sessions(), 2u);
  EXPECT_TRUE(hung_up(second));
  raw_send(third, {PacketType::kCommandRequest, "version", {}});
  server_->poll(now_);
  for (const int fd : {first, third}) {
    std::array<char, 512> answer;
    EXPECT_GT(recv(fd, answer.data(), answer.size(), MSG_DONTWAIT), 40);
  }
  for (const int fd : {first, second, third}) close(fd);
}

TEST_F(ViciSocket, ClientsThatListenToEventsKeepTheirPlaces) {
  open({.sessions = 2});
  const std::array listeners{raw_connect(path_), raw_connect(path_)};
  for (const int fd : listeners) raw_send(fd, {PacketType::kEventRegister, "log", {}});
  server_->poll(now_);
  const int late = raw_connect(path_);
  server_->poll(now_);
  EXPECT_EQ(server_->sessions(), 2u);
  EXPECT_TRUE(hung_up(late));
  for (const int fd : listeners) close(fd);
  close(late);
}

TEST_F(ViciSocket, RequestsThatWereSentTogetherAreAnsweredInOrder) {
  const int fd = raw_connect(path_);
  for (int i = 0; i < 50; ++i)
    raw_send(fd, {PacketType::kCommandRequest, i % 2 ? "version" : "ike-counters", {}});
  shutdown(fd, SHUT_WR);  // as `socat` does: the answers are still wanted
  vici::Framer framer;
  int answers = 0;
  for (int turn = 0; turn < 10; ++turn) {
    server_->poll(now_);
    std::array<std::uint8_t, 65536> chunk;
    for (ssize_t got; (got = recv(fd, chunk.data(), chunk.size(), 0)) > 0;)
      framer.append({chunk.data(), static_cast<std::size_t>(got)});
    for (auto segment = framer.next(); segment && *segment; segment = framer.next()) {
      const auto packet = vici::decode_packet(**segment);
      EXPECT_EQ(packet->message.value(answers++ % 2 ? "daemon" : "received") != nullptr, true);
    }
  }
  EXPECT_EQ(answers, 50);
  EXPECT_EQ(server_->sessions(), 0u);
  close(fd);
}

TEST_F(ViciSocket, AListingIsProducedOnlyAsFastAsItIsRead) {
  gateway_.ikes.clear();
  for (unsigned i = 1; i <= 20'000; ++i) gateway_.ikes.push_back(sites(now_, i));
  const int fd = raw_connect(path_);
  raw_send(fd, {PacketType::kEventRegister, "list-sa", {}});
  raw_send(fd, {PacketType::kCommandRequest, "list-sas", {}});
  for (int turn = 0; turn < 20; ++turn) server_->poll(now_);  // nobody reads: the server has to hold still
  EXPECT_EQ(server_->sessions(), 1u);
  close(fd);
  server_->poll(now_);

  std::size_t seen = 0;
  const Message end = with_client([&seen](Client& client) {
    return *client.call_streaming("list-sas", "list-sa", {}, [&seen](const auto&, const auto&) { ++seen; });
  });
  EXPECT_EQ(seen, 20'000u);
  EXPECT_TRUE(end.empty());
}

}  // namespace
}  // namespace simplon::ctrl

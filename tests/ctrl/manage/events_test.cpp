// SPDX-License-Identifier: Apache-2.0
// The events of the management socket: log lines, and SAs that come and go.
#include "tests/ctrl/manage/vici_socket.h"

namespace simplon::ctrl {
namespace {

using vici::Client;
using vici::Message;
using vici::Packet;
using vici::PacketType;

TEST_F(ViciSocket, LostLogLinesAreCountedAndTold) {
  open({.queue_bytes = 100'000});
  const int fd = raw_connect(path_);
  raw_send(fd, {PacketType::kEventRegister, "log", {}});
  server_->poll(now_);
  const LogEntry line{Level::kInfo, Category::kIke, "sites", 1, std::string(1000, 'x')};
  for (int i = 0; i < 5000; ++i) server_->log(line);
  EXPECT_EQ(server_->sessions(), 1u);
  vici::Framer framer;
  bool told = false;
  for (int turn = 0; turn < 1000 && !told; ++turn) {
    std::array<std::uint8_t, 65536> chunk;
    for (ssize_t got; (got = recv(fd, chunk.data(), chunk.size(), 0)) > 0;)
      framer.append({chunk.data(), static_cast<std::size_t>(got)});
    server_->poll(now_);
    server_->log({Level::kInfo, Category::kIke, {}, 0, "later"});
    for (auto segment = framer.next(); segment && *segment; segment = framer.next())
      told |= vici::decode_packet(**segment)->message.get("msg").find("lines lost") != std::string::npos;
  }
  EXPECT_TRUE(told);
  close(fd);
}

TEST_F(ViciSocket, AMonitorThatDoesNotReadIsHungUpOn) {
  open({.queue_bytes = 100'000});
  const int fd = raw_connect(path_);
  raw_send(fd, {PacketType::kEventRegister, "ike-updown", {}});
  server_->poll(now_);
  for (int i = 0; i < 5000; ++i) server_->event(ike::IkeEvent{ike::UpDown::kUp, ike::IkeSaId{1}}, now_);
  server_->poll(now_);
  server_->poll(now_);
  EXPECT_EQ(server_->sessions(), 0u);
  close(fd);
}

TEST_F(ViciSocket, EventsTellOfSasThatAreAlreadyGone) {
  std::vector<Packet> seen;
  with_client(
      [&seen](Client& client) {
        for (const auto* event : {"ike-updown", "child-updown", "child-rekey"})
          EXPECT_TRUE(client.subscribe(event));
        EXPECT_TRUE(client.call("log-level", Message().add("level", "info")));
        while (seen.size() < 3) seen.push_back(*client.next_event());
        return 0;
      },
      [this, raised = false]() mutable {
        if (raised || gateway_.lines.empty()) return;  // the level was set: all three registrations stand
        raised = true;
        ike::IkeStatus& ike = gateway_.ikes.front();
        ike::ChildStatus newer = ike.children.front();
        newer.id = ike::ChildSaId{8};
        newer.spi_in = Spi{0xaaaa0001};
        ike.children = {newer};
        server_->event(ike::ChildEvent{ike::UpDown::kRekeyed, ike.id, ike::ChildSaId{8}, ike::ChildSaId{7}},
                       now_);
        ike.children.clear();
        server_->event(ike::ChildEvent{ike::UpDown::kDown, ike.id, ike::ChildSaId{8}}, now_);
        gateway_.ikes.clear();
        server_->event(ike::IkeEvent{ike::UpDown::kDown, ike::IkeSaId{1}}, now_);
      });
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].name, "child-rekey");
  const Message* both = seen[0].message.section("sites")->section("child-sas")->section("net");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->section("old")->get("spi-in"), "c0ffee01");
  EXPECT_EQ(both->section("new")->get("spi-in"), "aaaa0001");
  EXPECT_EQ(seen[1].name, "child-updown");
  EXPECT_EQ(seen[1].message.value("up"), nullptr);
  EXPECT_TRUE(seen[1].message.section("sites")->section("child-sas")->section("net-8"));
  EXPECT_EQ(seen[2].name, "ike-updown");
  EXPECT_EQ(seen[2].message.section("sites")->section("child-sas"), nullptr);
}

}  // namespace
}  // namespace simplon::ctrl

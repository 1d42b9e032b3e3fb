// SPDX-License-Identifier: Apache-2.0
// All of it over UDP, on the loopback interface.
#include "ctrl/radius/radius.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "tests/ctrl/radius/fake_sockets.h"

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;

const IpAddress kLoopback = IpAddress::v4(127, 0, 0, 1);

// Until there is something to read.
bool ready(int fd) {
  pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&wanted, 1, 10'000) == 1;
}

TEST(Radius, AnswersTravelOverUdp) {
  UdpSockets server;
  const auto socket = server.listen({kLoopback, Port{0}});
  ASSERT_TRUE(socket);
  Radius radius({.seed = Secret(Buffer(32, 1)),
                 .usage_of = [](IkeSaId) { return RadiusUsage{}; },
                 .wall_clock = [] { return 0; },
                 .say = [](const std::string&) {}});
  RadiusGroup group{.name = "corp"};
  group.servers.push_back(
      {.address = kLoopback, .port = server.local(*socket)->port, .secret = Secret(bytes_of(kRadiusSecret))});
  EXPECT_THAT(radius.configure({{"corp", group}}), testing::IsEmpty());
  radius.submit(ike::JobId{7}, {.group = "corp", .eap = Buffer(9, 1), .user = "alice"}, Now{});
  EXPECT_TRUE(radius.busy());
  EXPECT_TRUE(radius.deadline());

  ASSERT_TRUE(ready(server.fd()));
  const auto request = server.receive();
  ASSERT_TRUE(request);
  const auto packet = RadiusPacket::parse(request->bytes);
  const RadiusWriter answer(RadiusCode::kAccessReject, RadiusWriter::Signed::kYes);
  server.send(*socket, request->from,
              answer.response(packet->id(), packet->authenticator(), bytes_of(kRadiusSecret)));

  ASSERT_TRUE(ready(radius.fd()));
  EXPECT_FALSE(radius.take());
  radius.poll(Now{});
  const auto result = radius.take();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->id, ike::JobId{7});
  EXPECT_EQ(std::get<ike::RelayEapResult>(result->result).verdict, ike::RelayEapResult::Verdict::kReject);
  EXPECT_FALSE(radius.busy());
  EXPECT_FALSE(radius.deadline());
}

TEST(Radius, APortWhereNobodyListensIsASilentServer) {
  UdpSockets sockets;
  const auto closed = sockets.listen({kLoopback, Port{0}});
  const SocketAddress nobody = *sockets.local(*closed);
  sockets.close(*closed);
  const auto socket = sockets.connect(nobody, kLoopback);
  ASSERT_TRUE(socket);
  sockets.send(*socket, {}, Buffer(20));
  ready(sockets.fd());
  EXPECT_FALSE(sockets.receive());
  EXPECT_FALSE(sockets.connect(nobody, IpAddress::v4(192, 0, 2, 1))) << "an address that is not ours";
}

TEST(Radius, OnlyTheServerIsHeard) {
  UdpSockets ours, others;
  const auto server = others.listen({kLoopback, Port{0}}), stranger = others.listen({kLoopback, Port{0}});
  const auto socket = ours.connect(*others.local(*server), {});
  ASSERT_TRUE(socket);
  others.send(*stranger, ours.local(*socket), Buffer{1});
  others.send(*server, ours.local(*socket), Buffer{2});
  ASSERT_TRUE(ready(ours.fd()));
  EXPECT_EQ(ours.receive()->bytes, Buffer{2});
  EXPECT_FALSE(ours.receive());
}

}  // namespace
}  // namespace simplon::ctrl

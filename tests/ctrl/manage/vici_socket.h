// SPDX-License-Identifier: Apache-2.0
// A management socket over a FakeGateway: the server, the commands and the socket are the real ones.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "ctrl/manage/server.h"
#include "ctrl/vici/client.h"
#include "tests/ctrl/manage/fake_gateway.h"

namespace simplon::ctrl {

// A client without a thread of its own, for what vici::Client does not do.
inline int raw_connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

inline void raw_send(int fd, const vici::Packet& packet) {
  const Buffer out = *vici::encode(packet);
  EXPECT_EQ(send(fd, out.data(), out.size(), MSG_NOSIGNAL), static_cast<ssize_t>(out.size()));
}

class ViciSocket : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/simplon-vici-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/vici";
    gateway_.started = now_ - std::chrono::seconds(300);
    gateway_.ikes = {sites(now_)};
    gateway_.counters[SaId{11}] = {.packets = 10, .bytes = 840, .idle = std::chrono::seconds(3)};
    gateway_.counters[SaId{12}] = {.packets = 20, .bytes = 1680, .idle = std::chrono::seconds(2)};
    gateway_.connections = {sites_connection()};
    gateway_.policies = {{.id = PolicyId{5},
                          .name = "sites/net",
                          .order = 10,
                          .action = Action::kProtect,
                          .selectors = two_nets()}};
    open({});
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  void open(ViciServer::Limits limits) {
    server_.reset();
    auto server = ViciServer::open(path_, Commands(gateway_.operations()), limits);
    ASSERT_TRUE(server) << server.error().what;
    server_ = std::move(*server);
  }

  // Serves until `over`; `meanwhile` is called after every turn.
  template <class Over, class Meanwhile>
  void serve_until(Over over, Meanwhile meanwhile) {
    while (!over()) {
      pollfd ready{server_->fd(), POLLIN, 0};
      ::poll(&ready, 1, 10);
      server_->poll(now_);
      meanwhile();
    }
  }

  // Runs a client's work in a thread of its own while the server is served here.
  template <class Work, class Meanwhile>
  auto with_client(Work work, Meanwhile meanwhile) {
    auto result = std::async(std::launch::async, [&] {
      auto client = vici::Client::connect(path_);
      EXPECT_TRUE(client);
      return work(*client);
    });
    serve_until([&] { return result.wait_for(std::chrono::seconds(0)) == std::future_status::ready; },
                meanwhile);
    return result.get();
  }
  template <class Work>
  auto with_client(Work work) {
    return with_client(work, [] {});
  }

  vici::Message ask(std::string command, vici::Message arguments = {}) {
    return with_client([&](vici::Client& client) {
      auto answer = client.call(command, arguments);
      EXPECT_TRUE(answer) << answer.error().what;
      return answer.value_or(vici::Message());
    });
  }

  Now now_ = std::chrono::steady_clock::now();
  FakeGateway gateway_;
  std::string folder_, path_;
  std::unique_ptr<ViciServer> server_;
};

}  // namespace simplon::ctrl

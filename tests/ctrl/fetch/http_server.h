// SPDX-License-Identifier: Apache-2.0
// A server on 127.0.0.1 that sends what the test says, octet for octet, also what no server should.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace simplon::ctrl {

class HttpServer {
 public:
  // What it answers with, of the thread of the connection; kHang: nothing, until the client goes.
  using Reply = std::function<std::string(const std::string& request)>;
  static constexpr std::string_view kHang = "hang";

  explicit HttpServer(Reply reply) : reply_(std::move(reply)), fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof at;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&at), length), 0);
    EXPECT_EQ(listen(fd_, 64), 0);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &length);
    port_ = std::to_string(ntohs(at.sin_port));
    acceptor_ = std::jthread([this] {
      for (int one; (one = accept(fd_, nullptr, nullptr)) >= 0;) {
        const std::lock_guard lock(mutex_);
        open_.push_back(one);
        connections_.emplace_back([this, one] { serve(one); });
      }
    });
  }
  ~HttpServer() {
    shutdown(fd_, SHUT_RDWR);
    acceptor_.join();
    for (const int one : open_) shutdown(one, SHUT_RDWR);
    connections_.clear();
    for (const int one : open_) close(one);
    close(fd_);
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string url(const std::string& target) const { return "http://127.0.0.1:" + port_ + target; }
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve(int fd) {
    std::string request;
    std::array<char, 4096> some;
    while (!whole(request)) {
      const ssize_t n = recv(fd, some.data(), some.size(), 0);
      if (n <= 0) break;
      request.append(some.data(), static_cast<std::size_t>(n));
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    const std::string out = reply_(request);
    if (out == kHang)
      while (recv(fd, some.data(), some.size(), 0) > 0) continue;
    else
      send(fd, out.data(), out.size(), MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
  }
  static bool whole(const std::string& request) {
    const std::size_t end = request.find("\r\n\r\n"), length = request.find("Content-Length: ");
    if (end == std::string::npos) return false;
    return length == std::string::npos ||
           request.size() >= end + 4 + std::stoul(request.substr(length + 16, 8));
  }

  Reply reply_;
  int fd_;
  std::string port_;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<int> open_;
  std::vector<std::jthread> connections_;
  std::jthread acceptor_;
};

inline std::string ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
inline bool asks_for(const std::string& request, const std::string& target) {
  return request.find(" " + target + " HTTP/1.0\r\n") != std::string::npos;
}

}  // namespace simplon::ctrl

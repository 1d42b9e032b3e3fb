// SPDX-License-Identifier: Apache-2.0
// RADIUS without a network: what is sent is kept, what is to be received is put in.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <vector>

#include "ctrl/config/radius.h"
#include "ctrl/radius/packet.h"
#include "ctrl/radius/sockets.h"

namespace simplon::ctrl {

class FakeSockets : public RadiusSockets {
 public:
  struct Sent {
    int socket = -1;
    SocketAddress to;
    Buffer bytes;
  };

  Result<int> connect(const SocketAddress& remote, const std::optional<IpAddress>&) override {
    if (broken) return fail("no socket");
    remotes[++last] = remote;
    return last;
  }
  Result<int> listen(const SocketAddress& local) override {
    if (broken) return fail("no socket");
    listeners[local] = ++last;
    return last;
  }
  void close(int socket) override { closed.insert(socket); }
  void send(int socket, const std::optional<SocketAddress>& to, Bytes bytes) override {
    sent.push_back({socket, to ? *to : remotes[socket], Buffer(bytes.begin(), bytes.end())});
  }
  std::optional<Received> receive() override { return std::nullopt; }

  Sent take() {
    if (sent.empty()) return {};
    Sent out = std::move(sent.front());
    sent.pop_front();
    return out;
  }

  int last = 0;
  bool broken = false;
  std::map<int, SocketAddress> remotes;
  std::map<SocketAddress, int> listeners;
  std::set<int> closed;
  std::deque<Sent> sent;
};

inline Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline constexpr std::string_view kRadiusSecret = "a secret of both ends";

// Two servers, which have the same secret.
inline RadiusGroup two_servers() {
  RadiusGroup out{.name = "corp"};
  for (const char* address : {"192.0.2.10", "192.0.2.11"})
    out.servers.push_back({.address = *IpAddress::parse(address), .secret = Secret(bytes_of(kRadiusSecret))});
  return out;
}

// What a server answers to this request.
inline RadiusSockets::Received answer_to(const FakeSockets::Sent& request, const RadiusWriter& answer,
                                         std::string_view secret = kRadiusSecret) {
  const auto packet = RadiusPacket::parse(request.bytes);
  return {request.socket, request.to,
          answer.response(packet->id(), packet->authenticator(), bytes_of(secret))};
}

}  // namespace simplon::ctrl

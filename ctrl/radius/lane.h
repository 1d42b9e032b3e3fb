// SPDX-License-Identifier: Apache-2.0
// The way to one port of one RADIUS server: sockets, and on each of them 256 identifiers for requests that
// wait (RFC 2865 §5). An identifier is used again as late as possible: an answer that comes too late should
// meet no other request.
#pragma once

#include <bitset>
#include <optional>
#include <vector>

#include "ctrl/radius/sockets.h"

namespace simplon::ctrl {

struct RadiusSlot {
  int socket = -1;
  std::uint8_t id = 0;
  friend auto operator<=>(const RadiusSlot&, const RadiusSlot&) = default;
};

class RadiusLane {
 public:
  // `sockets` outlives this.
  RadiusLane(RadiusSockets& sockets, const SocketAddress& remote, const std::optional<IpAddress>& source)
      : sockets_(sockets), remote_(remote), source_(source) {}
  ~RadiusLane();
  RadiusLane(const RadiusLane&) = delete;
  RadiusLane& operator=(const RadiusLane&) = delete;

  Result<RadiusSlot> take();  // an error: there can be no more sockets
  void give_back(const RadiusSlot& slot);
  void send(const RadiusSlot& slot, Bytes packet) { sockets_.send(slot.socket, {}, packet); }
  const SocketAddress& remote() const { return remote_; }

 private:
  static constexpr std::size_t kIds = 256, kMostSockets = 16;
  struct Socket {
    int socket = -1;
    std::bitset<kIds> taken;
    std::size_t next = 0;
  };

  RadiusSockets& sockets_;
  SocketAddress remote_;
  std::optional<IpAddress> source_;
  std::vector<Socket> open_;
};

}  // namespace simplon::ctrl

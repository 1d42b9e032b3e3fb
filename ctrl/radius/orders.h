// SPDX-License-Identifier: Apache-2.0
// The Dynamic Authorization Server (RFC 5176): hears Disconnect-Requests and CoA-Requests of the RADIUS
// servers.
//
// A request counts only if it comes from the address of a server of a group with `dynamic_authorization`,
// proves that its sender knows the secret, and says that it is not older than a few minutes; a server rules
// the sessions of its own groups alone. Of a CoA-Request only Session-Timeout can be obeyed. Control thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ctrl/config/radius.h"
#include "ctrl/radius/packet.h"
#include "ctrl/radius/sessions.h"
#include "ctrl/radius/sockets.h"

namespace simplon::ctrl {

class RadiusOrders {
 public:
  struct Counters {  // since start
    std::uint64_t received = 0, acked = 0, refused = 0, repeated = 0;
    std::uint64_t malformed = 0, strangers = 0, forged = 0, stale = 0;  // without an answer
  };

  // Both outlive this.
  RadiusOrders(RadiusSockets& sockets, RadiusSessions& sessions, RadiusSessions::WallClock wall_clock)
      : sockets_(sockets), sessions_(sessions), wall_clock_(std::move(wall_clock)) {}
  ~RadiusOrders();
  RadiusOrders(const RadiusOrders&) = delete;
  RadiusOrders& operator=(const RadiusOrders&) = delete;

  // Opens what is to be heard at now and was not before. The errors: of sockets that cannot be had.
  std::vector<std::string> configure(const RadiusGroups& groups);
  // False: the socket is none of these.
  bool receive(const RadiusSockets::Received& datagram, Now now);
  const Counters& counters() const { return counters_; }

 private:
  struct Master {  // a server, as a sender of orders
    SharedSecret secret;
    std::set<std::string> groups;
    std::set<std::string> identifiers;  // whom it may call us
    std::set<IpAddress> sources;
  };
  struct Reply {  // to a request that may come again (RFC 5176 §2.3)
    SocketAddress from;
    std::uint8_t id = 0;
    RadiusAuthenticator request{};
    Buffer packet;
  };

  void take(const RadiusSockets::Received& datagram, const Master& master, Now now);
  bool is_authentic(const RadiusPacket& packet, const Master& master);
  const Reply* repeated(const SocketAddress& from, const RadiusPacket& packet) const;
  std::optional<ErrorCause> obey(const RadiusPacket& packet, const Master& master, Now now);
  void answer(const RadiusSockets::Received& datagram, const RadiusPacket& packet, const Master& master,
              std::optional<ErrorCause> refusal);

  RadiusSockets& sockets_;
  RadiusSessions& sessions_;
  RadiusSessions::WallClock wall_clock_;
  std::map<SocketAddress, int> listeners_;
  std::map<int, std::map<IpAddress, Master>> masters_;  // by the listener's socket
  std::deque<Reply> replies_;
  Counters counters_;
};

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// All of RADIUS for the gateway: asks the servers for what ike/eap/relay.h wants to know, accounts for the
// sessions, hears the servers' orders.
//
// Control thread. The owner watches fd() for reading, calls poll() when it is readable and at deadline(), and
// then takes results and orders until there are none.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/radius/client.h"
#include "ctrl/radius/orders.h"
#include "ctrl/radius/sessions.h"
#include "ctrl/radius/sockets.h"
#include "ike/crypto/job.h"

namespace simplon::ctrl {

class Radius {
 public:
  struct Parts {
    Secret seed;  // 32 octets of entropy
    RadiusSessions::UsageOf usage_of;
    RadiusSessions::WallClock wall_clock;
    RadiusClient::Say say;
  };
  explicit Radius(Parts parts);

  // At start and at a reload. Returns the errors: of sockets that cannot be had.
  std::vector<std::string> configure(const RadiusGroups& groups);

  void submit(ike::JobId id, const ike::RelayEap& work, Now now);
  std::optional<ike::JobResult> take();
  std::optional<RadiusSessions::Order> next_order() { return sessions_.next_order(); }
  RadiusSessions& sessions() { return sessions_; }
  const RadiusClient::Counters& counters() const { return client_.counters(); }
  const RadiusOrders::Counters& order_counters() const { return orders_.counters(); }

  int fd() const { return sockets_.fd(); }
  void poll(Now now);
  std::optional<Now> deadline() const;
  // Whether requests wait for an answer: who stops may wait a moment for them.
  bool busy() const { return client_.waiting() != 0; }

 private:
  UdpSockets sockets_;
  RadiusClient client_;
  RadiusSessions sessions_;
  RadiusOrders orders_;
  std::deque<ike::JobResult> results_;
};

}  // namespace simplon::ctrl

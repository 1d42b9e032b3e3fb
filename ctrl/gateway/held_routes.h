// SPDX-License-Identifier: Apache-2.0
// Routes into tunnel interfaces outlive their interface. The kernel forgets the routes of an interface that
// is set down or deleted, and the next wider one might lead out in clear; so the data path keeps them, and
// drops what they lead to (tunnel-down), until the interface is up again and had time to get its routes back.
//
// A route is not kept where the kernel has another in its place, of its prefix and metric, or where the next
// one in line leads into a tunnel interface that is up. Control thread.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include "dp/base/network_spec.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

class HeldRoutes {
 public:
  // Routing daemons notice that an interface is up within seconds.
  static constexpr std::chrono::seconds kAfterUp{10};

  // `kernel`, and the routes that are kept. `ours`: the tunnel interfaces of the configuration; routes of
  // others are forgotten.
  dp::NetworkSpec with_held(dp::NetworkSpec kernel, const std::vector<dp::PortIndex>& ours, ike::Now now);
  // When the answer changes though the kernel's network does not.
  std::optional<ike::Now> deadline() const { return deadline_; }
  // How many routes of this interface the last answer kept.
  std::size_t held(dp::PortIndex tunnel) const;

 private:
  struct Tunnel {
    std::vector<dp::Route> routes;  // the kernel's, and those that are kept
    bool up = false;
    ike::Now until{};  // up: they are kept until then
    std::size_t held = 0;
  };
  std::map<dp::PortIndex, Tunnel> tunnels_;
  std::optional<ike::Now> deadline_;
};

}  // namespace simplon::ctrl

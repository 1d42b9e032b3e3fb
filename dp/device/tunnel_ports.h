// SPDX-License-Identifier: Apache-2.0
// The tunnel interfaces: each a TAP, whose carrier and MTU tell the kernel what its tunnel can do.
//
// Control thread.
#pragma once

#include <chrono>
#include <vector>

#include "dp/base/result.h"
#include "dp/device/punt_path.h"
#include "dp/device/spec.h"
#include "dp/tables/registry.h"

namespace simplon::dp {

class TunnelPorts {
 public:
  using Now = std::chrono::steady_clock::time_point;

  // All of it outlives this. `injects`: the rings by which what comes out of a TAP goes to the workers.
  TunnelPorts(Registry& registry, PuntPath& punt_path, std::vector<rte_ring*> injects)
      : registry_(registry), punt_path_(punt_path), injects_(std::move(injects)) {}

  // DataPath::set_tunnels().
  Result<void> set(const std::vector<TunnelSetup>& tunnels);
  // To be called often. Appends what to tell.
  void look(Now now, std::vector<Event>& out);
  void add_stats(std::vector<PortStats>& out) const;

 private:
  Registry& registry_;
  PuntPath& punt_path_;
  std::vector<rte_ring*> injects_;
  std::vector<TunnelSetup> tunnels_;
  Now looked_{};
};

// What the TAP of a port took and gave.
void add_counters(const PuntPath::Counters& taps, PortStats& out);

}  // namespace simplon::dp

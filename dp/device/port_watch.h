// SPDX-License-Identifier: Apache-2.0
// Watches ports while the workers run: their links, which the kernel then sees by the carrier of the TAPs,
// devices that a host resets or takes away, interfaces that are deleted and made again, and the TAPs.
//
// Control thread.
#pragma once

#include <chrono>
#include <map>
#include <vector>

#include "dp/device/ports.h"
#include "dp/device/punt_path.h"
#include "dp/device/reattachment.h"
#include "dp/device/spec.h"
#include "dp/tables/quiescence.h"

namespace simplon::dp {

class PortWatch {
 public:
  using Now = std::chrono::steady_clock::time_point;

  // All ports are open; all of it outlives this.
  PortWatch(const Ports& ports, PuntPath& punt_path, Quiescence& quiescence);

  // DataPath::detach(), DataPath::attach().
  void detach(PortIndex port) { reattachments_.at(static_cast<std::size_t>(port)).detach(); }
  void attach(PortIndex port) { reattachments_.at(static_cast<std::size_t>(port)).attach(); }
  // To be called often. Appends what to tell.
  void look(Now now, std::vector<Event>& out);

 private:
  void look_at_device(std::size_t port, std::vector<Event>& out);
  void look_at_links(std::vector<Event>& out);

  const Ports& ports_;
  PuntPath& punt_path_;
  std::map<std::size_t, Reattachment> reattachments_;  // by PortIndex; a VLAN has none
  std::vector<bool> links_;                            // by PortIndex
  Now links_seen_{};
};

}  // namespace simplon::dp

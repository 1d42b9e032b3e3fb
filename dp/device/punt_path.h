// SPDX-License-Identifier: Apache-2.0
// The punt path: one kernel TAP per port, of the same name and MAC. The kernel behind it is the host: it
// owns the addresses, ARP and neighbour discovery, ICMP to the gateway itself, routing protocols, IKE's
// sockets. A tunnel interface has a TUN, which carries IP packets and has no link layer: the kernel routes
// into it without a neighbour.
//
// A TAP that another program deletes is made again. Every frame that is lost between worker and kernel is
// counted.
//
// Control thread. Frames of a port's punt rings are written to its TAP, frames out of the TAP go to a
// worker's inject ring (mbuf->port is the PortIndex in both).
//
// IKE and the resolution of neighbours (PuntClass::kFirst) of all ports come before the rest. Of the rest
// each port has some frames a call and no more, so that its rate is what the machine has time for beside IKE,
// the console and the kernel's tables; the ring takes a burst, and what does not fit is dropped by the
// worker.
#pragma once

#include <rte_mempool.h>
#include <rte_ring.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dp/base/named_descriptor.h"
#include "dp/base/result.h"
#include "dp/device/spec.h"
#include "dp/worker/control_channel.h"
#include "dp/worker/wakeup.h"

namespace simplon::dp {

class PuntPath {
 public:
  static Result<std::unique_ptr<PuntPath>> open(rte_mempool* buffers);
  ~PuntPath();
  PuntPath(const PuntPath&) = delete;
  PuntPath& operator=(const PuntPath&) = delete;

  // `inject` is where what comes out of this TAP goes. Makes the TAP, with its MAC and MTU, and sets it up.
  // After an error restore() goes on trying to make it.
  Result<void> add(PortIndex port, const PortSetup& setup, const Mac& mac, const PuntRings& punts,
                   rte_ring* inject);
  // A TUN, without a link until set_tunnel() gives it one. After an error it is there all the same, and
  // restore() goes on trying to make it.
  Result<void> add_tunnel(PortIndex port, const std::string& name, rte_ring* inject);
  void remove_tunnel(PortIndex port);
  // Of the interfaces that are there, by their names; they stay this one's.
  std::vector<NamedDescriptor> descriptors() const;
  // The interfaces of a data path that is about to end: they stay as they are, with their addresses, routes
  // and neighbours, and whoever is added by such a name, or waits for it, has it at once.
  void adopt(const std::vector<NamedDescriptor>& descriptors);
  void forget_unclaimed();
  // Where the workers leave what is for a tunnel interface; mbuf->port says for which.
  void set_tunnel_punts(const PuntRings& punts) { tunnel_punts_ = punts; }

  Wakeup& wakeup() { return wakeup_; }
  int fd() const { return epoll_; }
  // See DataPath.
  void set_before_injection(std::function<void()> call) { before_injection_ = std::move(call); }
  // Moves what is there, at most some hundred frames each way.
  void move();
  // The kernel sees the port's link by the TAP's carrier, and routing daemons by the kernel.
  void set_link(PortIndex port, bool up);
  void set_tunnel(PortIndex port, bool up, std::uint16_t mtu);
  bool has_link(PortIndex port) const { return taps_.at(port).link; }
  std::uint16_t mtu(PortIndex port) const { return taps_.at(port).setup.mtu; }
  // Makes the TAPs again that were deleted, and puts MAC and MTU back that another program has set there: the
  // device keeps its own. Once a second; returns what to tell of them.
  std::vector<PortChanged> restore(std::chrono::steady_clock::time_point now);
  // Says that the control thread is about to sleep. What came meanwhile, or is left, makes fd() readable.
  void sleep(rte_ring* events);
  struct Counters {
    std::uint64_t punted = 0, punt_lost = 0;      // to the kernel; the TAP did not take it: down, or gone
    std::uint64_t injected = 0, inject_lost = 0;  // from the kernel; no buffer, or the worker is too busy
    bool any() const { return (punted | punt_lost | injected | inject_lost) != 0; }
  };
  // Of tunnel interfaces that were removed, and what came for them afterwards.
  const Counters& removed() const { return removed_; }
  const Counters& counters(PortIndex port) const { return taps_.at(port).counters; }

 private:
  struct Tap {
    int fd = -1;      // -1: none is wanted, or it is gone
    PuntRings punts;  // none: a tunnel interface
    rte_ring* inject = nullptr;
    bool tunnel = false;
    PortSetup setup;
    Mac mac{};
    Counters counters;
    bool link = true;
    std::optional<std::string> gone;  // why it cannot be made again, as was told; empty at first
  };
  explicit PuntPath(rte_mempool* buffers) : buffers_(buffers) {}
  Result<void> make(Tap& tap);
  Result<int> attach(const Tap& tap);
  void lose(Tap& tap);
  static std::optional<std::string> refuse_changes(const Tap& tap);
  static void show_link(const Tap& tap);
  void to_kernel(const PuntRings& rings, PuntClass c, unsigned most);
  bool has_punts() const;
  rte_mbuf* read_frame(PortIndex port, Tap& tap);
  void from_kernel(PortIndex port, Tap& tap);

  rte_mempool* buffers_;
  std::function<void()> before_injection_;
  int epoll_ = -1;
  Wakeup wakeup_;
  std::map<PortIndex, Tap> taps_;
  PuntRings tunnel_punts_;
  Counters removed_;
  std::map<std::string, int> inherited_;  // of the data path before; nobody has claimed them yet
  std::chrono::steady_clock::time_point restored_{};
};

}  // namespace simplon::dp

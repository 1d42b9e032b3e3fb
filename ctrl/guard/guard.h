// SPDX-License-Identifier: Apache-2.0
// The guard: the parent of the gateway. It starts it, sees it die or hang, makes the kernel the forwarder,
// and starts it again. No DPDK, no IKE, no thread; it holds the memory with the journal and IKE's sockets,
// both of which each gateway inherits.
//
// A gateway that ends by itself with status 0 has closed its tunnels, and the guard ends with it. One that
// never came up is not tried again: its configuration is wrong. SIGTERM, SIGINT and SIGHUP are passed on.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/guard/region.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

// The gateway finds what it inherits in this variable: descriptors, separated by commas: the memory, the
// socket to the guard, IKE's sockets (v4 500, v4 4500, v6 500, v6 4500; -1: none).
inline constexpr const char* kInheritance = "SIMPLON_GUARD";
// The gateway asks by one octet that the kernel stops forwarding; the guard answers by one when its process
// is gone.
inline constexpr char kStopKernel = 'k', kStopped = 'd';

// A worker turns each millisecond at least; one that has not for so long hangs. The control thread may be
// busy with a reload.
inline constexpr std::chrono::milliseconds kWorkerHangs{700};
inline constexpr std::chrono::seconds kControlHangs{30};

class Guard {
 public:
  // `command`: the gateway and its arguments. `sockets` as in kInheritance; the guard's from now on.
  static Result<Guard> open(std::vector<std::string> command, std::vector<int> sockets);
  Guard(Guard&&) = default;
  Guard& operator=(Guard&&) = delete;

  int run();  // the exit status

 private:
  using Clock = std::chrono::steady_clock;
  Guard(std::vector<std::string> command, std::vector<int> sockets, Region region)
      : command_(std::move(command)), sockets_(std::move(sockets)), region_(std::move(region)) {}

  Result<void> start_gateway();
  [[noreturn]] void become_gateway(int control);
  void wait();
  void on_signals();
  void on_request();
  void gateway_ended(int status);
  void watch_signs_of_life();
  void start_kernel();
  void stop_kernel();
  void plan_restart();
  bool kernel_settled();

  std::vector<std::string> command_;
  std::vector<int> sockets_;
  Region region_;
  int signals_ = -1;
  int gateway_ = -1, gateway_fd_ = -1, control_ = -1;  // process, its descriptor, the socket to it
  int kernel_ = -1;                                    // the process that has the kernel forward
  bool stopping_ = false;
  std::optional<int> result_;
  Clock::time_point started_{};
  std::optional<Clock::time_point> up_since_, restart_at_;
  Clock::time_point kernel_started_{}, looked_{};
  unsigned short_lives_ = 0;  // in a row
  struct Sign {
    std::uint64_t count = 0;
    Clock::time_point seen{};
  };
  Sign control_sign_;
  std::vector<Sign> worker_signs_;
};

}  // namespace simplon::ctrl

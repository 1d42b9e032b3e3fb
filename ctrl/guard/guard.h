// SPDX-License-Identifier: Apache-2.0
// The guard: the parent of the gateway. It starts it, sees it die or hang, makes the kernel the forwarder,
// and starts it again. No DPDK, no IKE, no thread; it holds the memory with the journal and IKE's sockets,
// both of which each gateway inherits.
//
// A gateway that ends by itself with status 0 has closed its tunnels, and the guard ends with it. One that
// never came up is not tried again: its configuration is wrong. SIGTERM, SIGINT and SIGHUP are passed on.
//
// A planned upgrade (upgrade.h) is asked for by the gateway, or by SIGUSR2 for the same program again. When
// the new program fails before it is up, the old one is started again.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/guard/gateway_process.h"
#include "ctrl/guard/region.h"
#include "ctrl/guard/upgrade.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

class Guard {
 public:
  // `command`: the gateway and its arguments. `sockets` as in kInheritance; the guard's from now on.
  static Result<Guard> open(std::vector<std::string> command, std::vector<int> sockets,
                            std::size_t journal_bytes = kJournalBytes);
  Guard(Guard&&) = default;
  Guard& operator=(Guard&&) = delete;

  int run();  // the exit status

 private:
  using Clock = std::chrono::steady_clock;
  Guard(std::vector<std::string> command, std::vector<int> sockets, Region region)
      : command_(std::move(command)), sockets_(std::move(sockets)), region_(std::move(region)) {}

  Result<GatewayProcess> start(const std::vector<std::string>& command, Start how);
  Result<void> start_gateway();
  void watch_anew();
  void wait();
  void on_signals();
  void on_signal(int number);
  void on_messages();
  void on_message(const std::string& message);
  void gateway_ended(int status);
  void watch_signs_of_life();
  void start_kernel();
  void stop_kernel();
  void plan_restart();
  bool kernel_settled();

  // guard_upgrade.cpp
  void ask_upgrade(std::vector<std::string> command, std::chrono::milliseconds wait);
  void watch_upgrade();
  void give_up_upgrade(const std::string& why);
  void next_failed(const std::string& how);
  void change_over();

  std::vector<std::string> command_;
  std::vector<int> sockets_;
  std::array<int, 2> interfaces_{-1, -1};  // where gateways leave theirs to the next: in, out
  Region region_;
  int signals_ = -1;
  GatewayProcess gateway_;
  GatewayProcess former_;  // was replaced, and ends
  std::optional<Upgrade> upgrade_;
  std::vector<std::string> trial_;  // the gateway's command, which is not command_ until it has come up
  bool waits_for_kernel_ = false;   // the gateway, to take over
  int kernel_ = -1;                 // the process that has the kernel forward
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
  bool starves(Clock::time_point now);
  // Since when it gives no sign, and what waited_for_processor() said when it was looked at last.
  struct Silence {
    Clock::time_point since, looked;
    std::chrono::nanoseconds waited;
  };
  std::optional<Silence> silence_;
  std::vector<Sign> worker_signs_;
};

}  // namespace simplon::ctrl

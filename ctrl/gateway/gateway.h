// SPDX-License-Identifier: Apache-2.0
// The whole gateway, wired: configuration, data path or kernel, IKE, network, console, in one thread.
//
// start() brings everything up in the order that fails closed: interfaces are muted and policies installed
// before the first packet can pass. run() is the control thread's loop; it returns after SIGTERM or SIGINT.
// SIGHUP reloads. The three signals must be blocked in every thread before start() (simplond does it first of
// all).
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/config/config.h"
#include "ctrl/fetch/fetcher.h"
#include "ctrl/follow/follower.h"
#include "ctrl/gateway/guarded.h"
#include "ctrl/gateway/ike_outputs.h"
#include "ctrl/gateway/kernel_beside.h"
#include "ctrl/gateway/lease_file.h"
#include "ctrl/gateway/manual_operations.h"
#include "ctrl/gateway/network.h"
#include "ctrl/gateway/peer_activity.h"
#include "ctrl/gateway/reload.h"
#include "ctrl/gateway/tickets.h"
#include "ctrl/gateway/upgrade.h"
#include "ctrl/install/reconciler.h"
#include "ctrl/linux/ike_socket.h"
#include "ctrl/linux/mute_watch.h"
#include "ctrl/linux/poller.h"
#include "ctrl/manage/server.h"
#include "ctrl/runtime/job_pool.h"
#include "ctrl/runtime/log.h"
#include "dp/device/datapath.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

class Gateway {
 public:
  static Result<std::unique_ptr<Gateway>> start(Config config, PolicyIds ids, Log& log);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  void run();

 private:
  Gateway(Config config, PolicyIds ids, Log& log);

  Result<void> inherit();
  Result<void> open_sockets();
  Result<void> follow_daemon();
  Result<void> start_datapath();
  // Which; `at_once`: finish_mute() comes later.
  Result<std::vector<std::string>> mute_interfaces(bool at_once);
  void finish_mute();
  void log_missing_locks();
  Result<void> start_kernel();
  Result<void> start_backend(BackendId id, std::unique_ptr<Backend> backend);
  Result<void> start_network();
  Result<std::unique_ptr<KernelBeside>> open_beside();
  Result<void> start_beside();
  bool needs_beside();
  void start_beside_if_needed();
  void withdraw_impossible();
  void expect_suites();
  Result<void> place(PolicyId child, bool kernel);
  void keep_pins();
  void adopt_pins();
  Result<void> start_ike();
  void assign(const ike::InnerAddresses& given);
  void open_leases();
  void keep(const ike::AddressGiven& given);
  void start_radius(Secret seed);
  void poll_radius(Now now);
  void start_fetcher();
  void account(const ike::IkeEvent& event, Now now);
  Result<void> begin_ike();
  Result<void> adopt();
  Result<void> start_console();
  void watch_signals();
  void watch_guard();
  void hand_over();
  void on_signal();

  void turn();
  std::chrono::milliseconds poll_timeout(Now now) const;
  void backend_events(Now now);
  bool followed_event(const BackendEvent& event);
  void guard(Now now);
  void recheck();
  void follow_interface(const MuteWatch::Finding& found);
  void tell(const std::vector<MuteWatch::Finding>& findings);
  void stop();

  const Machine machine_ = Machine::here();  // before the EAL binds this thread to one core
  Config config_;
  PolicyIds ids_;
  Log& log_;
  Poller poller_;
  int signals_ = -1;
  bool running_ = true;
  Now watched_{};  // when activity and ages were looked at last
  const std::chrono::system_clock::time_point since_;
  const Now started_;

  // Each may refer to those above it.
  std::unique_ptr<Guarded> guarded_;  // null: no guard has started this process
  std::optional<IkeSockets> sockets_;
  std::optional<MuteWatch> mutes_;          // none in mode kernel
  std::unique_ptr<dp::DataPath> datapath_;  // none in mode kernel
  std::unique_ptr<Network> network_;        // none in mode kernel
  Reconciler reconciler_;
  ManualOperations manual_;
  std::unique_ptr<Follower> follower_;  // null: Simplon negotiates itself
  Tickets tickets_;
  std::unique_ptr<JobPool> jobs_;
  SessionUsage usage_{reconciler_};
  std::unique_ptr<Radius> radius_;
  std::unique_ptr<Fetcher> fetcher_;
  std::optional<LeaseFile> leases_;  // none: no file is named, or it is not to be had
  std::unique_ptr<ike::Endpoint> endpoint_;
  std::optional<IkeOutputs> outputs_;
  std::optional<PeerActivity> activity_;
  std::optional<Reload> reload_;
  std::optional<UpgradeRequest> upgrade_;
  std::vector<std::unique_ptr<ViciServer>> consoles_;
};

}  // namespace simplon::ctrl

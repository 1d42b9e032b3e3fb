// The whole gateway, wired: configuration, data path or kernel, IKE, network mirror, console, in one thread.
//
// start() brings everything up in the order that fails closed: interfaces are muted and policies installed
// before the first packet can pass. run() is the control thread's loop; it returns after SIGTERM or SIGINT.
// SIGHUP reloads. The three signals must be blocked in every thread before start() (simplond does it first of
// all).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/backend/backend.h"
#include "ctrl/config/config.h"
#include "ctrl/install/apply.h"
#include "ctrl/install/child_sa_table.h"
#include "ctrl/linux/ike_socket.h"
#include "ctrl/linux/network_mirror.h"
#include "ctrl/linux/poller.h"
#include "ctrl/manage/commands/commands.h"
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

  // ---- start and stop (gateway.cpp) ----
  Result<void> open_sockets();
  Result<void> start_datapath();
  Result<void> start_kernel();
  Result<void> start_network();
  Result<void> start_ike();
  Result<void> start_console();
  void on_signal();
  void stop();

  // ---- a turn of the loop (gateway_turn.cpp) ----
  void turn();
  std::chrono::milliseconds poll_timeout(Now now) const;
  void backend_events(Now now);
  void network_events();
  void watch_activity(Now now);
  // Makes what is installed what is wanted: reconcile() if anything has changed. An error is logged, and
  // tried again after a while.
  void install_changes(Now now);
  Result<void> reconcile(Now now);
  void drop_uninstalled(Now now);
  // Addresses and routes of the configuration into the kernel; those of the one before that are gone, out of
  // it. What could not be done.
  std::vector<std::string> renumber(const std::vector<PortAddress>& old_addresses,
                                    const std::vector<dp::Route>& old_routes);

  // ---- what the IKE endpoint says (gateway_ike.cpp) ----
  void drain(Now now);
  void apply_output(ike::Datagram& output, Now now);
  void apply_output(ike::Keepalive& output, Now now);
  void apply_output(ike::InstallSa& output, Now now);
  void apply_output(ike::RemoveSa& output, Now now);
  void apply_output(ike::Job& output, Now now);
  void apply_output(ike::IkeEvent& output, Now now);
  void apply_output(ike::ChildEvent& output, Now now);
  void apply_output(ike::LogLine& output, Now now);
  void apply_output(ike::Finished& output, Now now);

  // ---- what the console asks (gateway_operations.cpp) ----
  Operations operations();
  void ike_operations(Operations& o);
  void manual_operations(Operations& o);
  About about() const;
  std::uint64_t ticket(Done done);
  std::optional<SaCounters> counters(SaId id) const;
  Result<void> set_gateway(bool on);
  ReloadOutcome reload();
  std::vector<std::string> keep_until_restart(Config& next);
  std::vector<std::string> check(const std::string& file) const;

  // ---- SAs and policies made by hand (gateway_manual.cpp) ----
  Result<SaId> add_manual_sa(SaSpec sa);
  Result<void> remove_manual_sa(SaId id);
  Result<PolicyId> add_manual_policy(PolicySpec policy);
  Result<void> remove_manual_policy(PolicyId id);
  void watch_manual(Now now);
  void manual_limit(SaId id, bool hard);

  const Machine machine_ = Machine::here();  // before the EAL binds this thread to one core
  Config config_;
  PolicyIds ids_;
  Log& log_;
  Poller poller_;
  int signals_ = -1;
  bool running_ = true, gateway_on_ = true;
  bool dirty_ = true;           // what is installed is to be compared with all that is wanted
  std::vector<SaRef> touched_;  // else with what these SAs want
  std::optional<Now> retry_;    // when to compare again after an error
  std::string told_;            // that error

  std::unique_ptr<dp::DataPath> datapath_;  // dp mode only
  std::unique_ptr<NetworkMirror> network_;  // dp mode only
  std::unique_ptr<Backend> backend_;
  std::optional<IkeSockets> sockets_;
  std::unique_ptr<JobPool> jobs_;
  std::unique_ptr<ike::Endpoint> endpoint_;
  std::vector<std::unique_ptr<ViciServer>> consoles_;

  ChildSaTable children_;
  ManualEntries manual_;
  State now_;
  struct ManualAge {
    Now since{};
    bool told = false;  // of a soft limit
  };
  std::map<SaId, ManualAge> manual_ages_;  // of the SAs in manual_
  std::map<std::uint64_t, Done> waiting_;  // by the ticket of initiate, terminate, rekey
  std::uint64_t last_ticket_ = 0;
  std::uint64_t last_manual_sa_ = std::uint64_t{1} << 62;  // apart from the endpoint's own ids
  std::map<SaId, std::uint64_t> seen_packets_;             // inbound, to tell the endpoint that a peer lives
  Now watched_{};
  std::chrono::system_clock::time_point since_;
  Now started_{};
};

// Undoes what a gateway leaves in the kernel on purpose: muted interfaces, policies. Returns the process's
// exit status.
int release_kernel(const std::string& file);

}  // namespace simplon::ctrl

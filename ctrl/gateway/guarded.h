// SPDX-License-Identifier: Apache-2.0
// The gateway's side of the guard (ctrl/guard/guard.h): what it inherits, the journal that it keeps, and how
// it takes the traffic back from the kernel, or from a gateway that has died.
//
// Control thread, but for the thread that shows signs of life.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "ctrl/gateway/ike_journal.h"
#include "ctrl/guard/journal.h"
#include "ctrl/guard/journalling.h"
#include "ctrl/guard/records.h"
#include "ctrl/guard/region.h"
#include "ctrl/linux/ike_socket.h"
#include "ctrl/runtime/log.h"
#include "dp/device/datapath.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

class Guarded {
 public:
  // What the guard has left in the environment; null when no guard has started this process.
  static Result<std::unique_ptr<Guarded>> from_environment(Log& log);
  ~Guarded();

  IkeSockets take_sockets() { return IkeSockets::adopt(sockets_); }
  // Somebody has forwarded before: SAs and IKE SAs are in the journal, and the data path starts closed.
  bool adopts() const { return adopts_; }
  dp::Handover handover() const { return {.leases = region_.leases(), .closed = adopts_}; }
  std::unique_ptr<Backend> journalling(std::unique_ptr<Backend> datapath);
  SaJournal& sas() { return sas_; }

  // ---- taking over ----
  std::vector<Secret> ike_sas() const { return ike_.all(); }
  // Ends the kernel's forwarding, after which nobody does: each lease stands where its SA has come. `mute`
  // closes the interfaces to the kernel.
  Result<void> take_back(const std::function<Result<void>()>& mute);
  bool gateway_on() const { return region_.state().gateway_on; }
  // From now on this process forwards.
  void forwards() { region_.state().forwarder = Forwarder::kGateway; }
  // All that goes on has been adopted: the rest of the journal is forgotten.
  void adopted(const ike::Endpoint& endpoint);

  // ---- keeping the journal ----
  // Before anything that follows from it leaves: costs what has changed.
  void keep_ike(ike::Endpoint& endpoint);
  void keep(const NetworkRecord& network);

  // ---- signs of life ----
  void came_up(const dp::DataPath* datapath, std::size_t workers);
  void turned() { ++region_.state().control_turns; }
  // Closed its tunnels: nobody has to forward.
  void ended();
  int fd() const { return control_; }  // readable: see guard_is_gone()
  bool guard_is_gone();

 private:
  Guarded(Region region, int control, std::vector<int> sockets, Log& log);
  Result<void> stop_kernel();

  Region region_;
  int control_;
  std::vector<int> sockets_;
  Log& log_;
  const bool adopts_;
  Journal journal_;
  SaJournal sas_;
  IkeJournal ike_;
  bool full_ = false;  // as told
  std::jthread signs_;
};

}  // namespace simplon::ctrl

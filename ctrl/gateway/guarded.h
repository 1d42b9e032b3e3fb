// SPDX-License-Identifier: Apache-2.0
// The gateway's side of the guard (ctrl/guard/guard.h): what it inherits, the journal that it keeps, and how
// it takes the traffic back from the kernel, or from a gateway that has died.
//
// Control thread, but for the thread that shows signs of life.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "ctrl/backend/xfrm/nft_fence.h"
#include "ctrl/gateway/ike_journal.h"
#include "ctrl/guard/journal.h"
#include "ctrl/guard/journalling.h"
#include "ctrl/guard/records.h"
#include "ctrl/guard/region.h"
#include "ctrl/guard/standby.h"
#include "ctrl/guard/steps.h"
#include "ctrl/linux/ike_socket.h"
#include "ctrl/linux/named_descriptor.h"
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
  // Another gateway still forwards, and this one is to go on where it stops (ctrl/guard/messages.h).
  bool beside() const { return beside_; }
  dp::Handover handover() const { return {.leases = region_.leases(), .closed = adopts_}; }
  std::unique_ptr<Backend> journalling(std::unique_ptr<Backend> datapath);
  SaJournal& sas() { return *sas_; }
  Standby& standby() { return standby_; }

  // ---- replacing a gateway that lives ----
  // Waits until the journal is no longer the other gateway's; until then nothing of this class but what
  // stands above may be used. `ends_first`: a port of ours cannot be opened while the other has it; then
  // beside() is false afterwards, and the take-over is one from a dead gateway.
  Result<void> await_turn(bool ends_first);
  std::vector<dp::NamedDescriptor> interfaces() const { return take_descriptors(interfaces_out_); }
  // Everything is adopted: waits until the other gateway sends nothing any more. Nobody forwards then.
  Result<void> await_stop();
  // Why this gateway does not come up.
  void refuse(const std::string& why) const;

  // ---- being replaced ----
  void ask_upgrade(std::chrono::milliseconds wait, const std::string& file) const;
  // What the guard says: kFreeze, or kNotUpgraded and why.
  std::optional<std::string> heard();
  // The journal is as it shall be; leaves these interfaces, and waits until this gateway is to stop. False:
  // the guard has died, and the gateway goes on.
  bool frozen(const std::vector<dp::NamedDescriptor>& interfaces);
  void stopped() const;

  // ---- taking over ----
  std::vector<Secret> ike_sas() const { return ike_->all(); }
  PinsRecord pins() const;
  struct Manual {
    std::vector<PolicySpec> policies;
    std::vector<SaSpec> sas;
  };
  Manual manual() const;         // made by hand
  SaId last_negotiated() const;  // of the journal; whoever has it
  // Ends the kernel's forwarding, after which nobody does: each lease stands where its SA has come. `mute`
  // closes the interfaces to the kernel, and tells which. Beside a gateway that lives it does no more than
  // that.
  using Mute = std::function<Result<std::vector<std::string>>()>;
  Result<void> take_back(const Mute& mute, Steps& steps);
  // As it left it, with the neighbours that it knew; of a gateway that lives nothing: its TAPs are taken
  // over.
  const NetworkRecord& former_network() const { return former_network_; }
  bool gateway_on() const { return region_.state().gateway_on; }
  // From now on this process forwards.
  void forwards() { region_.state().forwarder = Forwarder::kGateway; }
  // All that goes on has been adopted: the rest of the journal is forgotten.
  void adopted(const ike::Endpoint& endpoint);

  // ---- preparing the kernel ----
  // Its modules for the fence are loaded now, and not when somebody waits for it.
  void try_fence() { region_.state().no_fence = !NftFence::try_kernel(); }

  // ---- keeping the journal ----
  // Before anything that follows from it leaves: costs what has changed.
  void keep_ike(ike::Endpoint& endpoint);
  void keep(const NetworkRecord& network);
  void keep(const PinsRecord& pins);
  void keep_manual(PolicyId policy, bool there);
  // The SAs' twins in the kernel (ctrl/guard/standby.h): a few at a time.
  void stand_by() { standby_.turn(); }

  // ---- signs of life ----
  void came_up(const dp::DataPath* datapath, std::size_t workers);
  void turned() { ++region_.state().control_turns; }
  // Closed its tunnels: nobody has to forward.
  void ended();
  int fd() const { return control_; }  // readable: see guard_is_gone()
  bool guard_is_gone();

 private:
  struct Inherited {
    bool beside = false;
    int control = -1, interfaces_in = -1, interfaces_out = -1;
    std::vector<int> sockets;
  };
  Guarded(Region region, Inherited inherited, Log& log);
  void open_journal();
  Result<void> wait_for(char what) const;
  Result<void> stop_kernel();

  Region region_;
  NetworkRecord former_network_;
  int control_;
  std::vector<int> sockets_;
  Log& log_;
  const int interfaces_in_, interfaces_out_;
  const bool adopts_;
  bool beside_;
  bool gone_ = false;  // the guard
  // None while they are another gateway's.
  std::optional<Journal> journal_;
  std::optional<SaJournal> sas_;
  Standby standby_;
  std::optional<IkeJournal> ike_;
  bool full_ = false;  // as told
  std::jthread signs_;
};

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// Applies the outputs of the IKE endpoint, in their order.
//
// RFC 7296 §2.8 depends on the order: the SAs and policies that the endpoint named before a datagram are
// installed before the peer hears of them. Control thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/fetch/fetcher.h"
#include "ctrl/gateway/guarded.h"
#include "ctrl/gateway/session_usage.h"
#include "ctrl/gateway/tickets.h"
#include "ctrl/install/reconciler.h"
#include "ctrl/linux/ike_socket.h"
#include "ctrl/manage/server.h"
#include "ctrl/radius/radius.h"
#include "ctrl/runtime/job_pool.h"
#include "ctrl/runtime/log.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

class IkeOutputs {
 public:
  // All of them outlive this.
  struct Parts {
    ike::Endpoint& endpoint;
    IkeSockets& sockets;
    JobPool& jobs;
    Reconciler& reconciler;
    Tickets& tickets;
    const std::vector<std::unique_ptr<ViciServer>>& consoles;
    Log& log;
    Guarded* guarded;  // null: nobody keeps a journal
    // Gives the interface of a connection its addresses.
    std::function<void(const ike::InnerAddresses&)> assign;
    // That a peer has an address of a pool.
    std::function<void(const ike::AddressGiven&)> given;
    Radius& radius;
    Fetcher& fetcher;
    SessionUsage& usage;
    // That a user of RADIUS has come or gone.
    std::function<void(const ike::IkeEvent&, ike::Now)> account;
  };
  explicit IkeOutputs(Parts parts) : parts_(std::move(parts)) {}

  // Applies all outputs that the endpoint has, and installs what they changed. What they follow from is in
  // the journal before.
  void apply_all(ike::Now now);
  // Reconciles. Each SA of IKE that could not be installed is told to the endpoint, which deletes the child.
  // Nobody is told that such a child is up.
  Result<void> install_changes(ike::Now now);

 private:
  void keep();
  void apply_output(ike::Datagram& output, ike::Now now);
  void apply_output(ike::Keepalive& output, ike::Now now);
  void apply_output(ike::InstallSa& output, ike::Now now);
  void apply_output(ike::MoveSa& output, ike::Now now);
  void apply_output(ike::RemoveSa& output, ike::Now now);
  void apply_output(ike::InnerAddresses& output, ike::Now now);
  void apply_output(ike::AddressGiven& output, ike::Now now);
  void apply_output(ike::Job& output, ike::Now now);
  void apply_output(ike::IkeEvent& output, ike::Now now);
  void apply_output(ike::ChildEvent& output, ike::Now now);
  void apply_output(ike::LogLine& output, ike::Now now);
  void apply_output(ike::Finished& output, ike::Now now);
  void send(const auto& message);
  void tell_consoles(const auto& event, ike::Now now);
  const std::string* why_not_installed(ike::ChildSaId child) const;

  Parts parts_;
  struct NotInstalled {
    std::string why;
    bool untold = false;  // that it came up
  };
  std::map<ike::ChildSaId, NotInstalled> not_installed_;  // until the endpoint has deleted them
};

}  // namespace simplon::ctrl

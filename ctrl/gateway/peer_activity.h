// SPDX-License-Identifier: Apache-2.0
// Tells the IKE endpoint which peers live: one whose ESP packets arrive is alive, and needs no liveness check
// (RFC 7296 §2.4). Control thread.
#pragma once

#include <map>

#include "ctrl/install/reconciler.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

class PeerActivity {
 public:
  // Both outlive this.
  PeerActivity(const Reconciler& reconciler, ike::Endpoint& endpoint)
      : reconciler_(reconciler), endpoint_(endpoint) {}

  // Compares the packet counters of IKE's inbound SAs with those of the last call.
  void watch(ike::Now now);

 private:
  const Reconciler& reconciler_;
  ike::Endpoint& endpoint_;
  std::map<SaId, std::uint64_t> packets_;
};

}  // namespace simplon::ctrl

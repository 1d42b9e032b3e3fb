// SPDX-License-Identifier: Apache-2.0
// The tunnel interfaces as the registry keeps them: the SAs of each, what these have carried, and the MTUs of
// the configuration. Control thread; the counters are the workers'.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "dp/base/sa_spec.h"
#include "dp/sa/inbound.h"
#include "dp/sa/outbound.h"

namespace simplon::dp {

// `up`: there is an outbound SA. `mtu`: the largest packet that all of them take, 0 when there is none.
// Packets and bytes of all SAs that the interface has or had.
struct TunnelState {
  bool up = false;
  std::uint16_t mtu = 0;
  std::uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0;
};

class TunnelTable {
 public:
  // From the configuration; 0 or absent: what its SAs take.
  void set_mtus(std::map<InterfaceId, std::uint16_t> mtus) { mtus_ = std::move(mtus); }
  // The largest packet that may enter.
  std::uint16_t most(InterfaceId id) const;

  void add(InterfaceId id, const OutboundSa& sa);
  void add(InterfaceId id, const InboundSa& sa);
  // No packet is given to it any more; a worker may still have some.
  void leave(InterfaceId id, const OutboundSa& sa);
  // No worker has it any more. The last call for an SA.
  void forget(InterfaceId id, const OutboundSa& sa);
  void forget(InterfaceId id, const InboundSa& sa);

  TunnelState state(InterfaceId id) const;

 private:
  struct Tunnel {
    std::vector<const OutboundSa*> in_use, out;  // out: with those that leave
    std::vector<const InboundSa*> in;
    TunnelState past;  // counters alone
  };
  std::map<InterfaceId, std::uint16_t> mtus_;
  std::map<InterfaceId, Tunnel> tunnels_;
};

}  // namespace simplon::dp

// Closes a kernel interface whose frames a port takes as well (af_packet, pcap, af_xdp): the kernel must
// neither answer nor forward them.
//
// An nftables netdev ingress drop, which packet sockets and XDP are before, and no IPv6 of its own on the
// interface. It outlives the process on purpose: a gateway that stopped or crashed stays closed. open() gives
// the interface back. Control thread.
#pragma once

#include <string>

#include "dp/base/result.h"

namespace simplon::ctrl {

struct Mute {
  // Does nothing twice: what a former run left is replaced in one transaction.
  static Result<void> close(const std::string& interface);
  static Result<void> open(const std::string& interface);
};

}  // namespace simplon::ctrl

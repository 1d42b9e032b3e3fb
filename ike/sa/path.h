// SPDX-License-Identifier: Apache-2.0
// The two addresses that an IKE SA talks between, and whether a NAT is on the way (RFC 7296 §2.23). A value:
// the IKE SA owns it, NAT detection and the peer's own moves change it, children copy it when they are made.
#pragma once

#include "dp/base/address.h"

namespace simplon::ike {

struct Path {
  SocketAddress local, remote;
  bool nat_local = false, nat_remote = false;  // which of the two stands behind a NAT

  bool nat() const { return nat_local || nat_remote; }
};

}  // namespace simplon::ike

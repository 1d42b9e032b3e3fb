// SPDX-License-Identifier: Apache-2.0
// The two addresses that an IKE SA talks between, and whether a NAT is on the way (RFC 7296 §2.23). A value:
// the IKE SA owns it, NAT detection and the peer's own moves change it, children copy it when they are made.
#pragma once

#include "dp/base/address.h"

namespace simplon::ike {

struct Path {
  SocketAddress local, remote;
  bool nat_local = false, nat_remote = false;  // which of the two stands behind a NAT
  bool forced = false;  // there is none, but we said that we stand behind one, to have ESP in UDP

  bool nat() const { return nat_local || nat_remote || forced; }
  // Whether the peer is followed to where its last fresh message or packet came from (§2.23): its NAT may map
  // it anew at any time. Not if we stand behind a NAT: who can change one packet on its way would cut us off.
  bool follows_peer() const { return nat_remote && !nat_local; }
};

}  // namespace simplon::ike

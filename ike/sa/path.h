// SPDX-License-Identifier: Apache-2.0
// The two addresses that an IKE SA talks between, whether a NAT is on the way (RFC 7296 §2.23), whether
// messages may travel in fragments, and who may move to other addresses (RFC 4555). A value: the IKE SA owns
// it, NAT detection, fragmentation and the moves of both ends change it, children copy it when they are made.
#pragma once

#include <vector>

#include "dp/base/address.h"

namespace simplon::ike {

struct Path {
  SocketAddress local, remote;
  bool nat_local = false, nat_remote = false;  // which of the two stands behind a NAT
  bool forced = false;     // there is none, but we said that we stand behind one, to have ESP in UDP
  bool fragments = false;  // both ends understand messages in fragments (RFC 7383)

  bool nat_traversal = false;          // the peer knows port 4500
  bool mobike = false;                 // both ends know RFC 4555
  bool first_initiator = false;        // of the IKE SA before any rekey: of the two it says where both are
  std::vector<IpAddress> peer_others;  // where the peer says that it is as well, of both families

  // Where our end, or the peer's, has addresses inside of the other's network (RFC 7296 §2.19): they stand
  // for the end in the selectors of children. Empty: the outer address does.
  std::vector<AddressRange> inner_local, inner_remote;

  bool nat() const { return nat_local || nat_remote || forced; }
  // Whether the peer is followed to where its last fresh message or packet came from (§2.23): its NAT may map
  // it anew at any time. Not if we stand behind a NAT: who can change one packet on its way would cut us off;
  // nor if it is for us to say where both are (RFC 4555 §2.2).
  bool follows_peer() const { return nat_remote && !nat_local && !decides(); }
  bool decides() const { return mobike && first_initiator; }
};

}  // namespace simplon::ike

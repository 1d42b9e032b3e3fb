// SPDX-License-Identifier: Apache-2.0
// Simultaneous initiation: both ends initiate to each other at once, and two IKE SAs with the same children
// come of it. RFC 7296 §2.4 does not know of it. One is enough, and its end must not take anything with it
// that somebody waits for.
#pragma once

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

// What `from` was still to do `to` does. A child that is being made goes on in `from`, but on nobody's
// behalf.
void hand_over_tasks(IkeSa& from, IkeSa& to);

// The established IKE SA with the peer to which `sa`, not authenticated yet, is on its way; null: there is
// none. Of a reauthentication: another one than the old, made since.
IkeSa* established_meanwhile(const IkeSa& sa);

// Instead of IKE_AUTH in `sa`: it ends without a delete (the peer still waits for AUTH), `other` does what it
// was to do.
void yield_before_auth(IkeSa& sa, IkeSa& other, Now now);

// `sa` is established. If the peer and we initiated to each other, the IKE SA with the lower initiator's SPI
// goes, deleted by its initiator. That is our rule: a peer that knows it sees the same and deletes its own,
// any other keeps both.
void resolve_simultaneous_initiation(IkeSa& sa, Now now);

// `sa` is ours and the other was the peer's to delete: time is up.
void recheck_simultaneous_initiation(IkeSa& sa, Now now);

}  // namespace simplon::ike

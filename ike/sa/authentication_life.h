// SPDX-License-Identifier: Apache-2.0
// How long it holds that both ends have proved who they are (RFC 7296 §2.8.3, RFC 4478), and what else an IKE
// SA has from its IKE_SA_INIT and IKE_AUTH, whatever rekeys follow: the successor inherits it. A value, of
// the times of an IKE SA.
#pragma once

#include "ike/sa/outputs.h"

namespace simplon::ike {

struct AuthenticationLife {
  bool ours = false;  // we were the initiator of IKE_AUTH: whoever was reauthenticates
  Now since{};
  Now again_at{};  // we reauthenticate, or try it once more; none: never
  Now until{};     // then the IKE SA ends; none: it does not by this
  unsigned tries = 0;
  // The IKE SA in whose place this one is made, with all of its children. None: there is none any more.
  IkeSaId in_place_of{};
  bool asked_again = false;   // for the children that are missing
  bool redirectable = false;  // the initiator understands REDIRECT (RFC 5685 §3)
};

}  // namespace simplon::ike

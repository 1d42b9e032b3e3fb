// SPDX-License-Identifier: Apache-2.0
// A feature of IKE that rides on the exchanges: what it adds to a message of ours, and what it does with what
// the peer's message says. IKE_SA_INIT, IKE_AUTH and INFORMATIONAL call all features by offer() and accept()
// and know none of them; CREATE_CHILD_SA does not call them yet. A new one is a file here and a row in
// feature.cpp.
//
// offer() comes when the exchange has written its own payloads; accept() when the message is known to be
// acceptable (and, but for IKE_SA_INIT, its integrity check is good), before the exchange acts on it. A
// feature may change the IkeSa, but neither sends nor ends it.
#pragma once

#include "ike/message/payload_writer.h"
#include "ike/sa/ike_sa.h"

namespace simplon::ike {

struct MessageKind {
  Exchange exchange{};
  bool response = false;
};

struct Feature {
  void (*offer)(const IkeSa&, MessageKind, PayloadWriter&);
  void (*accept)(IkeSa&, MessageKind, const Payloads&);
};

void offer(const IkeSa& sa, MessageKind kind, PayloadWriter& out);
void accept(IkeSa& sa, MessageKind kind, const Payloads& payloads);

}  // namespace simplon::ike

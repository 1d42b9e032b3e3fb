// SPDX-License-Identifier: Apache-2.0
#include "ike/feature/childless.h"

namespace simplon::ike {

void offer_childless(const IkeSa&, MessageKind kind, PayloadWriter& out) {
  if (kind.exchange == Exchange::kIkeSaInit && kind.response)
    out.notify(NotifyType::kChildlessIkev2Supported);
}

void accept_childless(IkeSa& sa, MessageKind kind, const Payloads& payloads) {
  if (kind.exchange == Exchange::kIkeSaInit && kind.response)
    sa.handshake()->childless = payloads.find(NotifyType::kChildlessIkev2Supported) != nullptr;
}

}  // namespace simplon::ike

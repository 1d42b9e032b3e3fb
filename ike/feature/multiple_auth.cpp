// SPDX-License-Identifier: Apache-2.0
#include "ike/feature/multiple_auth.h"

#include <algorithm>

namespace simplon::ike {

void offer_multiple_auth(const IkeSa& sa, MessageKind kind, PayloadWriter& out) {
  if (kind.exchange == Exchange::kIkeSaInit && kind.response) {
    const auto& candidates = sa.handshake()->candidates;
    if (std::ranges::any_of(candidates, [](const auto& c) { return c->remote_then_eap; }))
      out.notify(NotifyType::kMultipleAuthSupported);
  }
  if (kind.exchange == Exchange::kIkeAuth && !kind.response && sa.peer().local_then_eap) {
    out.notify(NotifyType::kMultipleAuthSupported);
    out.notify(NotifyType::kAnotherAuthFollows);
  }
}

void accept_multiple_auth(IkeSa& sa, MessageKind kind, const Payloads& payloads) {
  if (kind.exchange == Exchange::kIkeSaInit && kind.response)
    sa.handshake()->multiple_auth = payloads.find(NotifyType::kMultipleAuthSupported) != nullptr;
}

}  // namespace simplon::ike

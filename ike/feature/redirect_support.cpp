// SPDX-License-Identifier: Apache-2.0
#include "ike/feature/redirect_support.h"

#include "ike/message/redirect.h"

namespace simplon::ike {

void offer_redirect_support(const IkeSa& sa, MessageKind kind, PayloadWriter& out) {
  if (kind.exchange != Exchange::kIkeSaInit || kind.response) return;
  if (const auto& from = sa.handshake()->redirected_from)
    out.notify(NotifyType::kRedirectedFrom, redirect_data(*from));
  else
    out.notify(NotifyType::kRedirectSupported);
}

void accept_redirect_support(IkeSa& sa, MessageKind kind, const Payloads& payloads) {
  if (kind.exchange != Exchange::kIkeSaInit || kind.response) return;
  sa.times().auth.redirectable = payloads.find(NotifyType::kRedirectSupported) != nullptr ||
                                 payloads.find(NotifyType::kRedirectedFrom) != nullptr;
}

}  // namespace simplon::ike

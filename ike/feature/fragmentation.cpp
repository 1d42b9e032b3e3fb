// SPDX-License-Identifier: Apache-2.0
#include "ike/feature/fragmentation.h"

namespace simplon::ike {

void offer_fragmentation(const IkeSa& sa, MessageKind kind, PayloadWriter& out) {
  if (kind.exchange != Exchange::kIkeSaInit) return;
  if (!kind.response || sa.path().fragments) out.notify(NotifyType::kFragmentationSupported);
}

void accept_fragmentation(IkeSa& sa, MessageKind kind, const Payloads& payloads) {
  if (kind.exchange != Exchange::kIkeSaInit) return;
  sa.path().fragments = payloads.find(NotifyType::kFragmentationSupported) != nullptr;
}

}  // namespace simplon::ike

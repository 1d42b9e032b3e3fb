// SPDX-License-Identifier: Apache-2.0
// Which child of the configuration a peer's request is for, and what is agreed on (RFC 7296 §1.3.1, §2.7,
// §2.9).
#pragma once

#include <optional>
#include <string>

#include "ike/message/negotiation.h"
#include "ike/sa/ike_sa.h"

namespace simplon::ike {

// §1.3.1: the peer takes TFC padding (RFC 4303 §2.7) in the child that its message is about, unless it says
// that it does not. We take it always.
inline bool takes_tfc(const Payloads& p) { return p.find(NotifyType::kEspTfcPaddingNotSupported) == nullptr; }

struct Agreed {  // what we found in the request for a child; no config: it is refused
  const ChildConfig* config = nullptr;
  SaMode mode{};
  std::optional<AggfragFlags> aggfrag;  // none: plain ESP
  Proposal proposal;
  Selectors selectors;
  NotifyType refusal{};
  std::string why;
};

// RFC 7296 §1.3.1: fragments go through an SA with ports where both ends say so, in request and response.
FragmentHandling agreed_fragments(const ChildConfig& config, const Payloads& p);

// The first child of the configuration that the request fits (`replaces`: only the one of this name).
Agreed agree(const IkeSa& sa, const Payloads& p, Pfs pfs, const Child* replaces);

}  // namespace simplon::ike

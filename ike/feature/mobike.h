// SPDX-License-Identifier: Apache-2.0
// MOBIKE (RFC 4555 §3.1, §3.4): in IKE_AUTH both ends say that they know it, and which addresses they have
// besides the one that they are at. Later lists replace that one (§3.6). The moves themselves are in
// ike/exchange/mobike.h and ike/sa/ike_sa_mobike.cpp.
//
// It is offered and taken unless the connection says that nobody moves.
#pragma once

#include "ike/feature/feature.h"

namespace simplon::ike {

inline constexpr std::size_t kMostPeerAddresses = 16;  // that are remembered, and that we say

// Where we are as well now, or that there is nothing (§3.6).
void say_all_others(const IkeSa& sa, PayloadWriter& out);

void offer_mobike(const IkeSa& sa, MessageKind kind, PayloadWriter& out);
void accept_mobike(IkeSa& sa, MessageKind kind, const Payloads& payloads);

}  // namespace simplon::ike

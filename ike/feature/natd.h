// SPDX-License-Identifier: Apache-2.0
// NAT detection (RFC 7296 §2.23): in IKE_SA_INIT both ends say a hash of the addresses that they see; where
// they differ a NAT stands between, ESP travels in UDP, and IKE moves to port 4500.
#pragma once

#include "ike/feature/feature.h"

namespace simplon::ike {

void offer_nat_detection(const IkeSa& sa, MessageKind kind, PayloadWriter& out);
void accept_nat_detection(IkeSa& sa, MessageKind kind, const Payloads& payloads);

}  // namespace simplon::ike

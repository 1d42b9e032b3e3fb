// SPDX-License-Identifier: Apache-2.0
// SIGNATURE_HASH_ALGORITHMS (RFC 7427 §4): in IKE_SA_INIT both ends say which hashes they can check
// signatures with. Only where a certificate may be used; a responder says it to who has said it.
#pragma once

#include "ike/feature/feature.h"

namespace simplon::ike {

void offer_signature_hashes(const IkeSa& sa, MessageKind kind, PayloadWriter& out);
void accept_signature_hashes(IkeSa& sa, MessageKind kind, const Payloads& payloads);

}  // namespace simplon::ike

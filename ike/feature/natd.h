// SPDX-License-Identifier: Apache-2.0
// NAT detection (RFC 7296 §2.23): in IKE_SA_INIT both ends say a hash of the addresses that they see; where
// they differ a NAT stands between, and ESP travels in UDP. IKE moves to port 4500 if there is a NAT, or may
// be one later where MOBIKE takes it (RFC 4555 §3.3), which asks again wherever an end has moved to (§3.5).
#pragma once

#include "ike/feature/feature.h"

namespace simplon::ike {

void offer_nat_detection(const IkeSa& sa, MessageKind kind, PayloadWriter& out);
void accept_nat_detection(IkeSa& sa, MessageKind kind, const Payloads& payloads);

// The hashes of these two addresses. `pretended`: there is a NAT on our side, whether there is one or not.
void say_addresses(const IkeSa& sa, std::uint64_t spi_r, const SocketAddress& local,
                   const SocketAddress& remote, bool pretended, PayloadWriter& out);
// Compares what the peer says to path(), and notes which end stands behind a NAT. False: it says nothing, and
// nothing changes.
bool compare_addresses(IkeSa& sa, std::uint64_t spi_r, const Payloads& payloads);

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
// ESP, outbound (RFC 4303 §3.3), in tunnel mode (RFC 4301 §5.1.2 for the outer header, RFC 6040 for ECN) and
// in transport mode.
//
// One worker, the SA's owner.
#pragma once

#include "dp/crypto/job.h"
#include "dp/packet/packet.h"
#include "dp/sa/outbound.h"

namespace simplon::dp {

// Makes the IP packet at `headers` into an ESP packet in place: the mbuf then begins with the IP header that
// travels, and `job` says what is to be encrypted. Takes the sequence number `seq`. `hop`: the packet is
// forwarded, so its TTL is decremented. That the ESP packet fits into its path the caller has seen to
// (largest()); in transport mode, that it is no fragment. On kNone the mbuf is the ESP packet; on a reason it
// is unchanged. For an SA of this kind, which is of ESP.
template <SaKind kKind>
Drop encapsulate(rte_mbuf* m, const Headers& headers, bool hop, std::uint64_t seq, const OutboundSa& sa,
                 CryptoJob& job);

// Of AGGFRAG (RFC 9347) it is a payload that stands there instead of an IP packet, by `headers.ip` and
// `headers.length` alone.

// After the cryptography, where OutboundSa::after_crypto says so. With ESN the high half of the sequence
// number leaves, which stands before the ICV and does not travel. UDP over IPv6 must have a checksum (RFC
// 8200 §8.1; a receiver that was not told otherwise drops zero), over IPv4 it is zero (RFC 3948 §2.1). AH
// gets its ICV (ah.h).
void encapsulate_finish(const CryptoJob& job, const OutboundSa& sa);

}  // namespace simplon::dp

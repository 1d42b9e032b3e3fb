// SPDX-License-Identifier: Apache-2.0
// ESP, outbound, tunnel mode (RFC 4303 §3.3; RFC 4301 §5.1.2 for the outer header, RFC 6040 for ECN).
//
// One worker, the SA's owner.
#pragma once

#include "dp/crypto/job.h"
#include "dp/packet/packet.h"
#include "dp/sa/outbound.h"

namespace simplon::dp {

OuterHeader outer_header(const SaSpec& spec);
// The SA's packets bear this header from now on. It is as long as the one before.
void set_outer_header(const OuterHeader& header, OutboundSa& sa);
// Fills the outer header template of an SA, its kind, and the sizes that go with them.
void make_outer_header(const SaSpec& spec, OutboundSa& sa);
// The largest inner packet whose outer packet is at most `outer` long.
std::uint16_t inner_mtu(const OutboundSa& sa, std::uint16_t outer);

// Makes the inner packet at `headers` into an ESP packet in place: the mbuf then begins with the outer IP
// header, and `job` says what is to be encrypted. Takes the sequence number `seq`. `hop`: the packet is
// forwarded, so its TTL is decremented. That the outer packet fits into its path the caller has seen to
// (OutboundSa::inner_mtu). On kNone the mbuf is the outer packet; on a reason it is unchanged.
// For an SA of this kind.
template <SaKind kKind>
Drop encapsulate(rte_mbuf* m, const Headers& headers, bool hop, std::uint64_t seq, const OutboundSa& sa,
                 CryptoJob& job);

// After the cryptography, where OutboundSa::after_crypto says so. With ESN the high half of the sequence
// number leaves, which stands before the ICV and does not travel. UDP over IPv6 must have a checksum (RFC
// 8200 §8.1; a receiver that was not told otherwise drops zero), over IPv4 it is zero (RFC 3948 §2.1).
void encapsulate_finish(const CryptoJob& job, const OutboundSa& sa);

}  // namespace simplon::dp

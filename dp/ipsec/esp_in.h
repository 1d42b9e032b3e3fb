// SPDX-License-Identifier: Apache-2.0
// ESP, inbound, tunnel mode (RFC 4303 §3.4; RFC 4301 §5.2 step 4 for the selectors, RFC 6040 for ECN).
//
// One worker, the SA's owner. decapsulate_begin() before the cryptography, decapsulate_finish() after it.
#pragma once

#include "dp/crypto/job.h"
#include "dp/packet/packet.h"
#include "dp/sa/inbound.h"

namespace simplon::dp {

// What is known before the cryptography and needed after it.
struct EspPacket {
  std::uint16_t payload = 0, end = 0;  // offsets: of what was encrypted, and of the ICV
  std::uint8_t ecn = 0;                // of the outer packet
  std::uint64_t seq = 0;
};

// `esp`: offset of the ESP header in the outer packet that `headers` describes. Checks lengths and the replay
// window. On kNone `packet` and `job` are filled, and the mbuf is as it was, but that with ESN the ICV may
// have made room for the high half of the sequence number. For an SA of this kind.
template <SaKind kKind>
Drop decapsulate_begin(rte_mbuf* m, const Headers& headers, std::uint16_t esp, const InboundSa& sa,
                       EspPacket& packet, CryptoJob& job);

// After a good ICV: moves the window, strips the ESP trailer and the outer headers, joins the ECN fields,
// checks the inner packet against the SA's selectors. The mbuf then begins with the inner IP header,
// described by `inner`. kFragment: all is well, but the selectors ask for ports; the whole datagram is to be
// checked.
Drop decapsulate_finish(rte_mbuf* m, const EspPacket& packet, InboundSa& sa, Headers& inner);

void set_selectors(const SaSpec& spec, InboundSa& sa);
// Where the SA's packets come from, if it may follow them elsewhere; else no port.
PeerEnd peer_end(const SaSpec& spec);
void set_peer(const PeerEnd& peer, InboundSa& sa);
// Before decapsulate_finish(), after a good ICV: whether the packet is newer than all before and comes from
// another address or port than the peer's, which then has moved (RFC 7296 §2.23).
inline bool has_moved(const InboundSa& sa, const std::uint8_t* ip, const Headers& outer, std::uint64_t seq) {
  return sa.peer_port != 0 && outer.protocol == kUdp &&
         (outer.sport != sa.peer_port || address_key(ip + (outer.v4 ? 12 : 8), outer.v4) != sa.peer) &&
         seq > sa.window.top();
}
// Whether the packet is within the SA's selectors: kNone, kSelectorMismatch, or kFragment: it is a fragment,
// and its ports would have to be known (RFC 4301 §7).
Drop check_selectors(const InboundSa& sa, const std::uint8_t* ip, const Headers& inner);

}  // namespace simplon::dp

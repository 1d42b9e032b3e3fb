// SPDX-License-Identifier: Apache-2.0
// ESP, inbound (RFC 4303 §3.4), and what it shares with AH: what becomes of the packet that comes out (RFC
// 4301 §5.2 step 4 for the selectors, RFC 6040 for ECN).
//
// One worker, the SA's owner. decapsulate_begin() before the cryptography, decapsulate_finish() after it.
#pragma once

#include "dp/crypto/job.h"
#include "dp/packet/packet.h"
#include "dp/sa/inbound.h"

namespace simplon::dp {

// What is known before the cryptography and needed after it, of ESP and of AH.
struct EspPacket {
  std::uint16_t payload = 0, end = 0;  // offsets: of what is inside, and of its end
  std::uint8_t ecn = 0;                // of the outer packet
  std::uint64_t seq = 0;
};

// `esp`: offset of the ESP header in the outer packet that `headers` describes. Checks lengths and the replay
// window. On kNone `packet` and `job` are filled, and the mbuf is as it was, but that with ESN the ICV may
// have made room for the high half of the sequence number. For an SA of this kind.
template <SaKind kKind>
Drop decapsulate_begin(rte_mbuf* m, const Headers& headers, std::uint16_t esp, const InboundSa& sa,
                       EspPacket& packet, CryptoJob& job);

// After a good ICV: moves the window, strips the ESP trailer and what was added before the payload, and
// checks what comes out against the SA's selectors. The mbuf then begins with its IP header. `headers` are
// those of the ESP packet, and then its. kFragment: all is well, but the selectors ask for ports; the whole
// datagram is to be checked.
template <SaMode kMode>
Drop decapsulate_finish(rte_mbuf* m, const EspPacket& packet, InboundSa& sa, Headers& headers);

// The same for a payload of AGGFRAG (RFC 9347), which stays where it is: `headers` say where, by `payload`
// and `length`. kDummy, kBadPadding and kBadNextHeader: it was authentic.
Drop decapsulate_aggfrag(rte_mbuf* m, const EspPacket& packet, InboundSa& sa, Headers& headers);

// Before any cryptography (RFC 4303 §3.4.3, RFC 4302 §3.4.3), and again when the ICV was good.
inline Drop check_replay(const ReplayWindow& window, std::uint64_t seq) {
  switch (window.check(seq)) {
    case ReplayWindow::Verdict::kReplayed:
      return Drop::kReplayed;
    case ReplayWindow::Verdict::kTooOld:
      return Drop::kTooOld;
    case ReplayWindow::Verdict::kFresh:
      break;
  }
  return Drop::kNone;
}

// The payload, `length` octets that `next` names, in tunnel mode: the IP packet that it is. Joins the ECN
// fields. The answers are decapsulate_finish()'s.
Drop take_inner(rte_mbuf* m, const EspPacket& packet, unsigned length, std::uint8_t next, InboundSa& sa,
                Headers& inner);
// The same in transport mode: behind the headers that the packet came with.
Drop take_payload(rte_mbuf* m, const EspPacket& packet, unsigned length, std::uint8_t next, InboundSa& sa,
                  Headers& headers);

void set_selectors(const SaSpec& spec, InboundSa& sa);
// Where the SA's packets come from, if it may follow them elsewhere; else no port. In transport mode the
// address is the packets' own, and another one is another SA.
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

// SPDX-License-Identifier: Apache-2.0
// What some SAs in tunnel mode do beside what all do: an outer DSCP, ECN field and flow label that are not
// the plain ones (RFC 2983, RFC 6040, RFC 6438), padding that hides how long the packets are, and dummy
// packets that hide when there are any (RFC 4303 §2.6, §2.7). Such an SA is of a kind of its own
// (dp/sa/kind.h), which calls the plain function and then completes what it made; so the others pay nothing
// for it.
//
// make_dressing() is any thread's; the rest is the SA's owner's.
#pragma once

#include "dp/crypto/job.h"
#include "dp/packet/packet.h"
#include "dp/sa/outbound.h"

namespace simplon::dp {

Dressing make_dressing(const SaSpec& spec);

// As encapsulate() (esp_out.h) or ah_encapsulate(), for an SA of a dressed kind. On kNone `headers.length` is
// that of the packet with its padding.
Drop encapsulate_dressed(rte_mbuf* m, Headers& headers, bool hop, std::uint64_t seq, OutboundSa& sa,
                         CryptoJob& job);

// Whether dummies may be made for this SA, which whoever asked for one cannot know: the slot that it was
// asked for may have another SA by now.
inline bool has_dummies(const OutboundSa& sa) {
  return sa.kind == SaKind::kEspTunnelDressed && sa.dressing.dummies != 0;
}
// Makes an empty mbuf into a dummy packet of an SA that has_dummies(); its plaintext is of no interest to
// anybody. It looks like the SA's last packet, or with TFC like any.
Drop encapsulate_dummy(rte_mbuf* m, Headers& headers, std::uint64_t seq, OutboundSa& sa, CryptoJob& job);

// The flow label for packets of the flow of the packet at `inner` (RFC 6438 §3): the same for all of them,
// and not known to who does not know the key. Never 0, which says that there is none (RFC 6437 §2).
std::uint32_t flow_label(const SipHash::Key& key, const std::uint8_t* inner, const Headers& headers);

}  // namespace simplon::dp

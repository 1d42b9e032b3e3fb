// SPDX-License-Identifier: Apache-2.0
// AH (RFC 4302), in tunnel and in transport mode.
//
// The ICV is of the whole packet, with zeros in the mutable fields and in the place of the ICV itself. For
// the back ends that is a packet of ESP with the cipher NULL: they are given the packet so masked, with the
// ICV behind it. Behind that the IP headers are kept as they were, until the cryptography is done:
//
//   [IP headers, masked] [AH, ICV zero] [payload] [high half of the sequence number, with ESN] [ICV] [IP
//   headers]
//
// With AES-GMAC (RFC 4543 §4) the ICV's field has the IV, which is the sequence number, before the ICV. Zeros
// stand for both while the ICV is made: the IV is in the nonce.
//
// One worker, the SA's owner.
#pragma once

#include "dp/crypto/job.h"
#include "dp/ipsec/esp_in.h"
#include "dp/packet/packet.h"
#include "dp/sa/inbound.h"
#include "dp/sa/outbound.h"

namespace simplon::dp {

// As encapsulate() (esp_out.h); but on kMalformed, of headers that cannot be masked, the mbuf is spoilt.
Drop ah_encapsulate(rte_mbuf* m, const Headers& headers, bool hop, std::uint64_t seq, const OutboundSa& sa,
                    CryptoJob& job);
// After the cryptography: the headers as they travel, and the ICV.
void ah_finish(const CryptoJob& job, const OutboundSa& sa);

// As decapsulate_begin() (esp_in.h); on kNone the mbuf is masked. `ah`: offset of the AH header.
Drop ah_decapsulate_begin(rte_mbuf* m, const Headers& headers, std::uint16_t ah, const InboundSa& sa,
                          EspPacket& packet, CryptoJob& job);
// After a good ICV; `headers` are those of the packet that came, and then of what was inside.
Drop ah_decapsulate_finish(rte_mbuf* m, const EspPacket& packet, InboundSa& sa, Headers& headers);

}  // namespace simplon::dp

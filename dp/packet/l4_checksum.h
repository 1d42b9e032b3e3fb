// SPDX-License-Identifier: Apache-2.0
// Checksums that a kernel left to a NIC. Between two interfaces of one machine there is none, so such a
// packet arrives with the sum of its pseudo header where its checksum belongs (SCTP: with zero), and would be
// damaged everywhere else.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace simplon::dp {

// Completes the checksum of TCP, UDP or SCTP in this Ethernet frame if it has that alone. A checksum that is
// whole stays as it is: if it equals that by chance, completing it gives the same again. SCTP that was sent
// without a checksum on purpose (RFC 9653) gets one, which every receiver takes.
void complete_l4_checksum(rte_mbuf* frame);
// The same of the IP packet that begins `at` bytes into it.
void complete_l4_checksum_at(rte_mbuf* frame, std::uint16_t at);

}  // namespace simplon::dp

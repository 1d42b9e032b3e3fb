// SPDX-License-Identifier: Apache-2.0
// Checksums that a kernel left to a NIC. Between two interfaces of one machine there is none, so such a
// packet arrives with the sum of its pseudo header where its checksum belongs, and would be damaged
// everywhere else.
#pragma once

#include <rte_mbuf.h>

namespace simplon::dp {

// Completes the checksum of TCP or UDP in this Ethernet frame if it has the sum of its pseudo header alone. A
// checksum that is whole stays as it is: if it equals that sum by chance, completing it gives the same again.
void complete_l4_checksum(rte_mbuf* frame);

}  // namespace simplon::dp

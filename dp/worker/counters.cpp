// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/counters.h"

namespace simplon::dp {

void drop(rte_mbuf* m, Drop reason, WorkerCounters& counters) {
  ++counters.dropped[static_cast<std::size_t>(reason)];
  rte_pktmbuf_free(m);
}

}  // namespace simplon::dp

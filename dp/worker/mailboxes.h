// SPDX-License-Identifier: Apache-2.0
// To the worker that owns an SA: each worker has a mailbox, a ring of packets, that all others write. One
// thread: the sending worker.
//
// The packet alone travels, never a pointer to an SA: its new worker asks its own tables again. The packet's
// origin and port, and of a reassembled one its largest fragment, go along in the mbuf.
#pragma once

#include <rte_ring.h>

#include <vector>

#include "dp/worker/burst.h"
#include "dp/worker/counters.h"

namespace simplon::dp {

class Mailboxes {
 public:
  // `by_worker`: null or absent where nobody hands over. The counters outlive this.
  Mailboxes(std::vector<rte_ring*> by_worker, unsigned self, WorkerCounters& counters)
      : by_worker_(std::move(by_worker)), self_(self), counters_(counters) {}

  unsigned self() const { return self_; }
  // The mbuf then begins with the IP header; an Ethernet header stays in the headroom. Dropped and counted
  // when the mailbox is full. There must be a ring for every owner that an SA can have.
  void hand_over(const PacketInfo& packet, unsigned owner);

 private:
  std::vector<rte_ring*> by_worker_;
  unsigned self_;
  WorkerCounters& counters_;
};

}  // namespace simplon::dp

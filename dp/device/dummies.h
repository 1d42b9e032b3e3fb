// SPDX-License-Identifier: Apache-2.0
// Asks the workers for dummy packets (RFC 4303 §2.6): of each outbound SA that wants some, so many a second.
// What is asked for is an empty mbuf in the mailbox of the SA's owner, which makes the packet
// (dp/ipsec/dressing.h); packets never wait behind dummies there: none are asked for while the mailbox is
// half full.
//
// Control thread.
#pragma once

#include <rte_mempool.h>
#include <rte_ring.h>

#include <vector>

#include "dp/tables/registry.h"

namespace simplon::dp {

class Dummies {
 public:
  using Now = Registry::Now;

  // All of it outlives this. `mailboxes` by worker.
  Dummies(const Registry& registry, std::vector<rte_ring*> mailboxes, rte_mempool* buffers)
      : registry_(registry), mailboxes_(std::move(mailboxes)), buffers_(buffers) {}

  // To be called every 10 ms or so. What falls due in a longer time than that is not made up for.
  void tick(Now now);

 private:
  unsigned ask(const Registry::DummySlot& slot, unsigned count);

  const Registry& registry_;
  const std::vector<rte_ring*> mailboxes_;
  rte_mempool* const buffers_;
  Now last_{};
  std::size_t first_ = 0;  // where the next tick() begins, so that each slot has its turn
};

}  // namespace simplon::dp

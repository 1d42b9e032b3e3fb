// SPDX-License-Identifier: Apache-2.0
// Fragments of which the whole datagram is needed: ESP, and UDP to us, which may be ESP or IKE (RFC 4303
// §3.4.1); clear packets whose policies ask for ports, or whose SA's selectors do (RFC 4301 §7). What depends
// on no port never comes here. Cold; one thread: its worker.
#pragma once

#include "dp/tables/tables.h"
#include "dp/worker/audit.h"
#include "dp/worker/burst.h"
#include "dp/worker/counters.h"
#include "dp/worker/reassembly.h"

namespace simplon::dp {

// Those from outside have places of their own, so that a flood of them costs nobody inside his datagrams.
struct Reassemblies {
  Reassembly outside, inside;

  bool empty() const { return outside.empty() && inside.empty(); }
  void expire(std::uint64_t now) { outside.expire(now), inside.expire(now); }
  unsigned waiting() const { return outside.waiting() + inside.waiting(); }
  // Buffers that a worker's datagrams need: those that are incomplete, and some that go their way.
  static constexpr unsigned kBuffers = 2 * Reassembly::kDatagrams + 32;
};

// Takes burst.reassemble. A datagram that is whole with this fragment takes its place in burst.packets, and
// goes to burst.decapsulate or burst.classify; inside a bundle it has come by the SA that all its fragments
// came by.
void reassemble(Burst& burst, const Tables& tables, Reassemblies& all, WorkerCounters& counters,
                Audit& audit);

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// One worker: a thread on its own core that owns SAs and runs turns. A turn polls the sources, takes each
// burst through the stages (the numbered ways of a packet in the README), sends, and reports quiescence.
//
// Constructed by the control thread from a WorkerSetup whose pointers outlive it; run by one thread; counters
// and the rings are read by the control thread. A turn takes no lock, allocates nothing and makes no system
// call of its own, but for one write to an eventfd in a turn that punted or sent an event while the control
// thread slept.
#pragma once

#include <rte_ring.h>

#include <memory>
#include <vector>

#include "dp/base/network_spec.h"
#include "dp/crypto/crypto.h"
#include "dp/tables/quiescence.h"
#include "dp/tables/tables.h"
#include "dp/worker/aggfrag.h"
#include "dp/worker/audit.h"
#include "dp/worker/burst.h"
#include "dp/worker/control_channel.h"
#include "dp/worker/counters.h"
#include "dp/worker/mailboxes.h"
#include "dp/worker/neighbour_queue.h"
#include "dp/worker/rate_limiter.h"
#include "dp/worker/stage_classify.h"
#include "dp/worker/stage_clock.h"
#include "dp/worker/stage_encapsulate.h"
#include "dp/worker/stage_icmp.h"
#include "dp/worker/stage_reassemble.h"
#include "dp/worker/transmit.h"
#include "dp/worker/wakeup.h"

namespace simplon::dp {

// What a worker polls: a queue of a port, or a ring (its mailbox, the control thread's injections).
struct Source {
  enum class Kind : std::uint8_t { kPort, kMailbox, kInject } kind = Kind::kPort;
  std::uint16_t device = 0, queue = 0;  // kPort
  PortIndex port{};                     // kPort
  Side side{};                          // kPort
  bool from_kernel = false;             // kPort: a kernel sends to it, which may leave checksums to a NIC
  bool counted = false;                 // kPort: what it receives is counted here (PortCounters)
  const Gate* gate = &kAlwaysOpen;      // kPort: closed, the device must not be touched
  rte_ring* ring = nullptr;             // kMailbox, kInject
};

struct WorkerSetup {
  unsigned index = 0, core = 0;
  std::vector<Source> sources;
  std::vector<Sink> sinks;           // by PortIndex
  rte_mempool* buffers = nullptr;    // for what the worker makes of a packet: its fragments
  rte_mempool* datagrams = nullptr;  // of Reassembly::kBufferRoom; null: none is put together
  const VlanTable* vlans = nullptr;  // null: no port has VLANs
  std::vector<rte_ring*> mailboxes;  // by worker: clear and ESP packets for the SA's owner
  rte_ring* outbox = nullptr;        // frames that others ask this worker to send
  std::vector<PuntRings> punts;      // frames for the TAPs; by PortIndex
  PuntRings tunnel_punts;            // packets for the tunnel interfaces
  rte_ring* events = nullptr;        // of WorkerEvent
  Published<const Tables>* tables = nullptr;
  Quiescence* quiescence = nullptr;
  Wakeup* wakeup = nullptr;
  std::unique_ptr<Crypto> crypto;
  IcmpOptions icmp;
};

class Worker {
 public:
  explicit Worker(WorkerSetup setup);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // One turn; how many packets it took. The caller has called quiescence->online(index).
  unsigned turn();
  // The same, but what comes is dropped, and nothing is sent: another process still forwards.
  unsigned discard();

  const WorkerCounters& counters() const { return counters_; }
  unsigned core() const { return core_; }
  void set_clock(StageClock* clock) { clock_ = clock; }
  // When it has something to do though nothing comes, by the TSC: it must not sleep longer.
  std::uint64_t next_due() const { return aggfrag_.next_due(); }

 private:
  unsigned poll(const Source& source, const Tables& tables);
  void run_stages(const Tables& tables);
  void forward_unpacked(const Tables& tables);
  void run_aggfrag(const Tables& tables);
  void send_joined(const Tables& tables);
  EncapsulateOutputs encapsulate_outputs() {
    return {neighbours_, mailboxes_, control_, acquires_, counters_, buffers_, audit_, aggfrag_};
  }

  const unsigned index_, core_;
  const std::vector<Source> sources_;
  const VlanTable& vlans_;
  Published<const Tables>& all_tables_;
  Quiescence& quiescence_;
  const std::unique_ptr<Crypto> crypto_;
  StageClock* clock_ = nullptr;
  const std::uint64_t second_;  // in TSC cycles

  WorkerCounters counters_;
  ControlChannel control_;
  Transmit transmit_;
  NeighbourQueue neighbours_;
  Mailboxes mailboxes_;
  RateLimiter acquires_;
  RateLimiter class_acquires_;  // apart, since a peer may refuse them again and again
  Audit audit_;
  PathMtuNotices path_mtus_;
  IcmpErrors icmp_errors_;
  const bool tell_prohibited_;
  rte_mempool* const buffers_;
  Reassemblies reassemblies_;
  Aggfrag aggfrag_;
  FlowCaches flows_;
  Burst burst_;
  Burst pieces_;  // of what stage_fragment fragments
};

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// The way to the ports: frames are collected in a buffer for each port and sent in bursts. One thread: its
// worker.
//
// A worker without a queue of its own at a port puts the frames into the outbox of a worker that has one.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "dp/base/network_spec.h"
#include "dp/base/published.h"
#include "dp/crypto/job.h"
#include "dp/packet/packet.h"
#include "dp/packet/vlan.h"
#include "dp/tables/routes.h"
#include "dp/worker/counters.h"

namespace simplon::dp {

// Where a worker sends frames of one port.
struct Sink {
  std::uint16_t device = 0, queue = 0;
  const Gate* gate = &kAlwaysOpen;  // closed: the device must not be touched
  rte_ring* outbox = nullptr;       // not null: instead of the queue, the outbox of the worker that has one
  VlanTags tags = {};               // of a VLAN port: what its frames get on their way to the device
  bool counted = false;             // what is sent is counted here (PortCounters)
  bool beats = false;               // the device has frames of its own to send, when it is called (LACP)
};

class Transmit {
 public:
  // `sinks` by PortIndex. `outbox`: where other workers leave frames for this one, or null. Counters and
  // rings outlive this.
  Transmit(std::vector<Sink> sinks, rte_ring* outbox, WorkerCounters& counters);
  ~Transmit();  // frees what was not sent
  Transmit(const Transmit&) = delete;
  Transmit& operator=(const Transmit&) = delete;

  // A whole frame. It leaves when the buffer is full, at the latest with flush().
  void send(rte_mbuf* frame, PortIndex port);
  // An IP packet to a next hop that is resolved: puts the Ethernet header before it.
  void send_to(rte_mbuf* m, const NextHop& hop);
  // Sends the frames that other workers left here; how many.
  unsigned send_outbox() { return outbox_ == nullptr ? 0 : send_from_outbox(); }
  // At the end of a turn. What the device or the outbox does not take is dropped and counted.
  void flush();
  // Calls the devices that have frames of their own to send, if that is due; not all of them are there.
  bool has_beats() const { return !beats_.empty(); }
  void beat(std::uint64_t now);

 private:
  struct Buffer {
    std::array<rte_mbuf*, 2 * kBurst> frames;
    unsigned count = 0;
    bool ready = false;  // stands in ready_
  };
  void flush(PortIndex port);
  std::uint16_t send_counted(Buffer& buffer, std::uint16_t& n, const Sink& sink, PortCounters& count);
  std::uint16_t tag(Buffer& buffer, std::uint16_t count, const VlanTags& tags);
  unsigned send_from_outbox();

  std::vector<Sink> sinks_;
  std::vector<Buffer> buffers_;       // by PortIndex
  std::vector<std::uint16_t> ready_;  // ports that have something to send
  std::vector<std::uint16_t> beats_;  // ports
  const std::uint64_t beat_every_;    // in TSC cycles
  std::uint64_t next_beat_ = 0;
  rte_ring* outbox_;
  WorkerCounters& counters_;
};

inline void Transmit::send(rte_mbuf* frame, PortIndex port) {
  const auto index = static_cast<std::uint16_t>(port);
  Buffer& buffer = buffers_[index];
  if (!std::exchange(buffer.ready, true)) ready_.push_back(index);  // within the capacity that was reserved
  buffer.frames[buffer.count++] = frame;
  if (buffer.count == buffer.frames.size()) flush(port);
}

inline void Transmit::send_to(rte_mbuf* m, const NextHop& hop) {
  char* ethernet = rte_pktmbuf_prepend(m, kEthernetBytes);
  if (ethernet == nullptr) return drop(m, Drop::kNoBuffer, counters_);
  std::memcpy(ethernet, hop.ethernet.data(), kEthernetBytes);
  hop.used.set();
  send(m, hop.port);
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// From payloads of AGGFRAG, in order, to the packets in them (RFC 9347 §2.2.3). One thread: the SA's owner.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/counter.h"
#include "dp/base/network_spec.h"
#include "dp/crypto/job.h"
#include "dp/ipsec/aggfrag_state.h"
#include "dp/packet/drop.h"

namespace simplon::dp {

struct InboundSa;

// What one burst of payloads may bring: those of 9000 octets, full of packets of 64, do. Beyond that a
// payload is an attack of a peer, whose packets of 20 octets each cost as much as any.
inline constexpr unsigned kMostUnpacked = 160 * kBurst;

// Of a payload, and of the packets that end in it.
struct AggfragArrival {
  PortIndex port{};        // where it came in
  bool congested = false;  // it met congestion on its way
};
struct UnpackedPacket {
  rte_mbuf* m;
  InboundSa* sa;
  AggfragArrival arrival;
};

// The worker's.
struct UnpackOutputs {
  rte_mempool* buffers;
  std::vector<UnpackedPacket>& packets;  // has room for kMostUnpacked
  AggfragBudget& budget;                 // of what waits
  Counter &opened, &unpacked;            // payloads, and packets that came out or were dropped inside
  std::array<Counter, kDropReasons>& dropped;

  void lose(Drop reason) const {
    ++unpacked;
    ++dropped[static_cast<std::size_t>(reason)];
  }
};

class AggfragUnpacker {
 public:
  explicit AggfragUnpacker(InboundSa* sa) : sa_(sa) {}
  ~AggfragUnpacker() { rte_pktmbuf_free(partial_); }
  AggfragUnpacker(const AggfragUnpacker&) = delete;
  AggfragUnpacker& operator=(const AggfragUnpacker&) = delete;

  // The blocks of the next payload; `offset` as its header has it.
  void open(Bytes blocks, unsigned offset, const AggfragArrival& arrival, const UnpackOutputs& out);
  // The payload that would be next will not come, or the rest did not in time.
  void lose(const UnpackOutputs& out);
  // So many octets are there of a packet whose rest is still to come.
  unsigned partial() const { return have_; }

 private:
  void resume(Bytes piece, unsigned offset, const AggfragArrival& arrival, const UnpackOutputs& out);
  unsigned begin(Bytes blocks, unsigned length, const AggfragArrival& arrival, const UnpackOutputs& out);
  void append(Bytes piece);
  rte_mbuf* make(unsigned length, const UnpackOutputs& out) const;
  void emit(rte_mbuf* m, const AggfragArrival& arrival, const UnpackOutputs& out) const;

  InboundSa* const sa_;
  rte_mbuf* partial_ = nullptr;    // takes one of the budget
  unsigned have_ = 0, total_ = 0;  // octets; without a total the first ones are in start_
  std::array<std::uint8_t, 8> start_{};
};

}  // namespace simplon::dp

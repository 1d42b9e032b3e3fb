// SPDX-License-Identifier: Apache-2.0
// Payloads of AGGFRAG in a test's hands, without an SA around them: what one end makes of packets, and what
// the other makes of the payloads that came.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "dp/ipsec/aggfrag_in.h"
#include "dp/ipsec/aggfrag_out.h"
#include "tests/dp/lab.h"

namespace simplon::dp::test {

using Dropped = std::array<Counter, kDropReasons>;

inline rte_mbuf* aggfrag_mbuf(const Buffer& octets) { return Lab::mbuf(octets, kLan); }

class Packer {
 public:
  explicit Packer(AggfragOut::Settings settings = {}, unsigned most = 1000)
      : out(nullptr, nullptr, settings), budget{.most = most} {}

  bool put(const Buffer& packet) {
    rte_mbuf* const m = aggfrag_mbuf(packet);
    const bool taken =
        out.put({.m = m, .ip = 0, .length = static_cast<std::uint16_t>(packet.size())}, outputs());
    if (!taken) rte_pktmbuf_free(m);
    return taken;
  }
  // Empty: there is nothing to send.
  Buffer fill(unsigned room, bool full = false, bool last = false) {
    Buffer to(room, 0xee);
    to.resize(out.fill(to.data(), room, full, last, outputs()));
    return to;
  }
  std::uint64_t dropped(Drop reason) const { return drops[static_cast<std::size_t>(reason)]; }
  PackOutputs outputs() { return {budget, packed, drops}; }

  AggfragOut out;
  AggfragBudget budget;
  Counter packed;
  Dropped drops;
};

class Unpacker {
 public:
  explicit Unpacker(AggfragIn::Settings settings = {.window = 16, .wait = 20, .second = 1000},
                    unsigned most = 100)
      : in(nullptr, SaId{1}, settings, nullptr), budget{.most = most} {
    list.reserve(kMostUnpacked);
  }
  ~Unpacker() {
    for (const UnpackedPacket& p : list) rte_pktmbuf_free(p.m);
  }
  void take(std::uint64_t seq, const Buffer& payload, std::uint64_t now = 0) {
    in.take(seq, {.m = aggfrag_mbuf(payload), .length = static_cast<std::uint16_t>(payload.size())}, now,
            outputs());
  }
  void skip(std::uint64_t seq, std::uint64_t now = 0) { in.take(seq, {}, now, outputs()); }
  void expire(std::uint64_t now) { in.expire(now, outputs()); }
  // What came out since the last call.
  std::vector<Buffer> packets() {
    std::vector<Buffer> out;
    for (const UnpackedPacket& p : list) {
      out.emplace_back(bytes_of(p.m), bytes_of(p.m) + rte_pktmbuf_data_len(p.m));
      rte_pktmbuf_free(p.m);
    }
    list.clear();
    return out;
  }
  std::uint64_t dropped(Drop reason) const { return drops[static_cast<std::size_t>(reason)]; }
  UnpackOutputs outputs() { return {Shared::get().buffers, list, budget, opened, unpacked, drops}; }

  AggfragIn in;
  AggfragBudget budget;
  Counter opened, unpacked;
  Dropped drops;
  std::vector<UnpackedPacket> list;
};

}  // namespace simplon::dp::test

// SPDX-License-Identifier: Apache-2.0
// A burst: the packets that one source gave, and for each the stage that it waits for. A value that the
// worker fills from a source and then gives to the stages, which are free functions (stage_*.h). One worker,
// one turn.
//
// A packet stands in at most one work list. A stage takes its whole list; what becomes of a packet is the
// stage's answer: it leaves (sent, handed over, punted, held, dropped), or the stage puts it on a list again.
// So a decrypted packet goes to `classify`, and a protected one to `encapsulate`. The worker runs stages
// until no list has a packet, at most kMostRounds of them (worker.cpp).
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <utility>

#include "dp/base/bytes.h"
#include "dp/crypto/job.h"
#include "dp/ipsec/esp_in.h"
#include "dp/packet/flow.h"
#include "dp/packet/packet.h"
#include "dp/sa/inbound.h"
#include "dp/sa/outbound.h"
#include "dp/tables/tables.h"

namespace simplon::dp {

// A round is one stage that takes its list. The longest way without bundles takes twelve: reassemble,
// decapsulate, reassemble, classify, reassemble, classify, encapsulate, fragment, send_icmp_errors, and the
// error's classify, encapsulate, fragment; a bundle of two decapsulates and encapsulates once more each time.
// The bound is a guard for stages that put packets back.
inline constexpr unsigned kMostRounds = 20;

struct PacketInfo {
  rte_mbuf* m;
  Headers headers;
  Origin origin;
  PortIndex port;  // where it came in; see Flow::port
  Be32 spi;        // kDecrypted: of the SA that it came by; 0: another worker handed it over
  bool from_host() const { return origin >= Origin::kHostProtected && origin <= Origin::kDummy; }
};
static_assert(sizeof(PacketInfo) == 32);  // two a cache line

inline std::uint8_t* ip_of(const PacketInfo& packet) { return bytes_of(packet.m) + packet.headers.ip; }
inline Flow flow_of(const PacketInfo& packet) {
  const Headers& h = packet.headers;
  const std::uint8_t* ip = ip_of(packet);
  return {.source = source_of(ip, h.v4),
          .destination = destination_of(ip, h.v4),
          .sport = h.sport,
          .dport = h.dport,
          .protocol = h.protocol,
          .origin = packet.origin,
          .port = packet.port,
          .fragment = h.partial};
}

// The same of a fragment, with which one it is, as far as that can be known (RFC 4301 §7.2).
inline Flow flow_of_piece(const PacketInfo& packet) {
  Flow flow = flow_of(packet);
  if (is_protocol_unknown(flow)) return flow;
  if (packet.headers.fragment) {
    flow.piece = Flow::Piece::kLater;
  } else if (const auto first = with_ports(ip_of(packet), packet.headers)) {
    flow.piece = Flow::Piece::kFirst;
    flow.sport = first->sport, flow.dport = first->dport;
  }
  return flow;
}

// Of a datagram that was put together here, bytes of its largest fragment: larger ones may not fit into its
// path. It stands in the mbuf, since the packet may still go to another worker.
inline void set_largest_fragment(PacketInfo& packet, std::uint16_t bytes) {
  packet.headers.reassembled = bytes != 0;
  packet.m->hash.usr = bytes;
}
inline std::uint16_t largest_fragment(const PacketInfo& packet) {
  return packet.headers.reassembled ? static_cast<std::uint16_t>(packet.m->hash.usr) : 0;
}

// What a packet of a bundle has with it (RFC 4301 §4.5), in a field of the mbuf that is of no use before it
// is sent: on its way out the slot of the entry that is over its SA's, on its way in the entry whose SA it
// came by. A dummy has the slot of the SA that it is to be made for.
inline void set_bundle_slot(rte_mbuf* m, const OutboundSlot& slot) {
  m->tx_offload = std::uint64_t{slot.hit} << 32 | static_cast<std::uint32_t>(slot.policy.get());
}
// Null: the entry has gone while the packet was on its way to another worker, and its slot may be another
// entry's.
inline const OutboundSlot* bundle_slot(const rte_mbuf* m, const Tables& tables) {
  const OutboundSlot& slot = (*tables.outbound)[slot_of(static_cast<std::uint32_t>(m->tx_offload >> 32))];
  return slot.policy == PolicyId{static_cast<std::uint32_t>(m->tx_offload)} ? &slot : nullptr;
}
inline void set_came_by(rte_mbuf* m, PolicyId policy) { m->tx_offload = static_cast<std::uint32_t>(policy); }
inline PolicyId came_by(const rte_mbuf* m) { return PolicyId{static_cast<std::uint32_t>(m->tx_offload)}; }

using PacketIndex = std::uint8_t;  // into Burst::packets
static_assert(kBurst <= 256);

// Packets that wait for one stage. There is room for all packets of a burst.
template <class Work>
class WorkList {
 public:
  Work& add() { return items_[count_++]; }
  bool empty() const { return count_ == 0; }
  unsigned size() const { return count_; }
  // The stage takes all that wait: how many they are. They stay where they are until something is added.
  unsigned take() { return std::exchange(count_, 0); }
  Work& operator[](unsigned i) { return items_[i]; }

 private:
  std::array<Work, kBurst> items_;
  unsigned count_ = 0;
};

struct DecapsulateWork {  // has an ESP or AH header and may be for an SA of ours
  PacketIndex packet;
  std::uint16_t header;  // its offset
  Be32 spi;
  AddressKey key;  // see sad_key()
  InboundSa* sa;   // set by the stage; null: there is none
};

struct ClassifyWork {  // in clear
  PacketIndex packet;
  Decision decision;  // set by the stage
};

struct ReassembleWork {  // a fragment where the whole datagram is needed
  PacketIndex packet;
  InboundSa* sa;           // whose selectors ask for ports; null: the policies do, or it may be ESP or IKE
  std::uint32_t sequence;  // of the packet of `sa` that brought it
};

// For a PROTECT policy. The SA is read from its slot once: the one whose owner was asked is the one that is
// used, though the control thread may replace it meanwhile.
struct EncapsulateWork {
  PacketIndex packet;
  const OutboundSlot* slot;
  OutboundSa* sa;  // null: there is none yet
};

// Dropped, and its sender may be told.
struct RefuseWork {
  PacketIndex packet;
  Drop reason;
  std::uint16_t mtu;  // kTooBig
};

// What a stage knows of a packet while the cryptography runs.
struct DecapsulateJob {
  InboundSa* sa;
  EspPacket esp;
  PacketIndex packet;
};

struct Burst {
  std::array<PacketInfo, kBurst> packets;
  unsigned count = 0;  // of packets

  WorkList<DecapsulateWork> decapsulate;
  WorkList<ClassifyWork> classify;
  WorkList<EncapsulateWork> encapsulate;
  WorkList<EncapsulateWork> fragment;  // too large for its SA
  WorkList<ReassembleWork> reassemble;
  WorkList<RefuseWork> refuse;

  // Used inside one stage, from before the cryptography until after it. They stand here since to construct
  // them for every burst would cost.
  std::array<CryptoJob, kBurst> jobs;
  std::array<DecapsulateJob, kBurst> decapsulating;  // of jobs
  std::array<OutboundSa*, kBurst> encapsulating;     // of jobs

  // A packet that a source gave; the caller sets all of it.
  PacketInfo& add() { return packets[count++]; }
  void wait_for_classify(PacketIndex packet) { classify.add().packet = packet; }
  void wait_for_encapsulate(PacketIndex packet, const OutboundSlot& slot, OutboundSa* sa) {
    EncapsulateWork& work = encapsulate.add();
    work.packet = packet;
    work.slot = &slot;
    work.sa = sa;
  }
  void wait_for_reassemble(PacketIndex packet, InboundSa* sa = nullptr, std::uint32_t sequence = 0) {
    reassemble.add() = {packet, sa, sequence};
  }
  void wait_for_refuse(PacketIndex packet, Drop reason, std::uint16_t mtu = 0) {
    refuse.add() = {packet, reason, mtu};
  }
};

}  // namespace simplon::dp

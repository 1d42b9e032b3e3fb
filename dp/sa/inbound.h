// SPDX-License-Identifier: Apache-2.0
// The hot part of an inbound SA. Ownership, lifetime and threads are those of an outbound SA
// (dp/sa/outbound.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/counter.h"
#include "dp/base/lease.h"
#include "dp/base/published.h"
#include "dp/base/sa_spec.h"
#include "dp/packet/flow.h"
#include "dp/sa/kind.h"
#include "dp/sa/limits.h"
#include "dp/sa/replay_window.h"

namespace simplon::dp {

struct CryptoSession;  // dp/crypto/job.h
class AggfragIn;       // dp/ipsec/aggfrag_in.h

// A source and a destination selector in the form that packets are compared with.
struct CompactSelector {
  AddressKey source_first{}, source_last{}, destination_first{}, destination_last{};
  std::uint16_t sport_first = 0, sport_last = 65535, dport_first = 0, dport_last = 65535;
  std::uint8_t protocol = kAnyProtocol;
  bool v4 = true;
  bool asks_ports = false;  // then a fragment, which has no ports, does not match (RFC 4301 §7)
};

// Where a peer's UDP packets come from, as we see it: behind a NAT, the NAT's (RFC 3948).
struct PeerEnd {
  AddressKey address{};
  std::uint16_t port = 0;
};

// The ends of an SA that has moved. `key`: what it is found by as well as by InboundSa::key, and by the key
// before this one, for what is still under way to where we were goes on to be accepted.
struct InboundEnds {
  PeerEnd peer;
  AddressKey key{}, before{};
};

// Stands in InboundSa::owner, which is looked at anyway.
inline constexpr std::uint16_t kInBundle = 0x8000;

struct alignas(64) InboundSa {
  // Line 0.
  Be32 spi{};
  std::uint16_t owner = 0;  // the worker; with kInBundle, where packets come by SAs of the entry `over` alone
  std::uint8_t iv = 0, icv = 0, block = 0;
  SaKind kind{};
  std::uint16_t selector_count = 0;
  // The port of the peer's UDP packets, when the SA may follow the peer (RFC 7296 §2.23); else 0: there is no
  // UDP, or no replay check that would tell a packet sent again.
  std::uint16_t peer_port = 0;
  PortIndex tunnel{};  // is_tunnel(): the interface that its packets arrive by
  const CryptoSession* session = nullptr;
  std::uint32_t salt = 0;
  bool esn = false;
  std::uint8_t tail = 0;  // CryptoJob::tail
  Counter packets, bytes;
  Threshold check_at_packets = kNever;  // tripped when `moved` is set
  std::uint64_t check_at_bytes = kNever;
  // Line 1.
  ReplayWindow window;
  const CompactSelector* selectors = nullptr;
  AddressKey key{};   // see sad_key(); of where it was when it was added
  AddressKey peer{};  // goes with peer_port
  // The cold part; it begins with the counters of refused packets.
  Counter replayed, bad_icv, selector_mismatch;
  SaLimits limits;
  SaId id{};
  PolicyId policy{}, over{};  // as SaSpec has them
  FragmentHandling fragments{};
  Published<const InboundEnds> moved;  // any worker finds it by the key; its owner takes the peer's end
  std::uint64_t move_reported = 0;  // when the owner last said that the peer has moved, in cycles of the TSC
  std::vector<CompactSelector> selector_store;
  AggfragIn* aggfrag = nullptr;  // of an SA of AGGFRAG: what its payloads are put into order by
  SaLease* lease = nullptr;      // null: nobody goes on with it (dp/sa/lease.h)

  explicit InboundSa(std::uint32_t replay_window) : window(replay_window) {}
};
static_assert(offsetof(InboundSa, window) == 64 && offsetof(InboundSa, replayed) <= 128);

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// The hot part of an outbound SA: what each packet needs, packed. Names, keys and time lifetimes live with
// the control thread.
//
// One worker, the owner, writes, but for the MTUs, which are the control thread's; that reads the counters.
// Created and destroyed by the control thread (dp/tables/registry.h), destroyed only after a grace period: at
// a turn's end nothing of an SA is inside a device, since cryptography is run to its end within the turn
// (dp/crypto/job.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dp/base/counter.h"
#include "dp/base/lease.h"
#include "dp/base/published.h"
#include "dp/base/sa_spec.h"
#include "dp/base/siphash.h"
#include "dp/sa/kind.h"
#include "dp/sa/limits.h"

namespace simplon::dp {

struct CryptoSession;  // dp/crypto/job.h
struct OutboundSlot;   // dp/tables/tables.h
class AggfragOut;      // dp/ipsec/aggfrag_out.h

// The last sequence number that may be sent: without ESN the 32 bits that travel must not repeat (RFC 4303
// §3.3.3).
inline constexpr std::uint64_t kLastSequence = 0xffffffff, kLastExtendedSequence = ~std::uint64_t{0} - 1;
// At this number a rekey is asked for; the numbers behind it are for the packets that come until it is done.
// They last for 18 s at 30 million a second, which is more than the one worker of an SA can send.
inline constexpr std::uint64_t kSoftSequence = kLastSequence - (1u << 29);
// OutboundSa::route of an SA whose outer packets go nowhere.
inline constexpr std::uint32_t kNoNextHop = ~std::uint32_t{0};

// The template of what stands before the payload of an SA's packets (ipsec/outer_header.h), and what follows
// from it. Immutable once published: a packet has all of one, never parts of two.
struct OuterHeader {
  std::array<std::uint8_t, 56> bytes{};  // they end at the end of the array
  std::uint32_t sum = 0;                 // see OutboundSa::outer_sum
  std::uint8_t length = 0;               // OutboundSa::header_bytes
  bool udp = false, more_fields = false;
  IpAddress destination;
};

// What is done to the packets of a dressed SA beside all else (dp/ipsec/dressing.h).
struct Dressing {
  IvKind iv{};
  FlowLabel flow_label{};
  bool clear_ecn = false;  // EcnMode::kCompatibility
  std::uint16_t tfc = kTfcOff, dummies = 0;
  DscpMap dscp{};
  // What the last packet looked like, which dummies repeat; kept where there are dummies.
  std::uint16_t last_length = 0;  // 0: there was none yet
  std::uint8_t last_tclass = 0;
  bool last_df = true;
  std::uint32_t last_label = 0;
  SipHash::Key key{};  // of FlowLabel::kFlow
  Counter carried;     // packets that are no dummies
};

struct alignas(64) OutboundSa {
  // Line 0: read and written for every packet.
  Counter next_seq = 1;                 // 64 bits are kept; the low half travels
  Threshold check_at_packets = kNever;  // the next limit, see SaLimits; tripped when `moved` is set
  Counter bytes = 0;                    // of inner packets
  std::uint64_t check_at_bytes = kNever;
  const CryptoSession* session = nullptr;
  std::uint32_t salt = 0;       // as it stands in the nonce; where the IV is random, random: see set_iv()
  std::uint32_t outer_sum = 0;  // IPv4: one's complement sum of the header but for its length and DSCP
  std::uint16_t owner = 0;
  OneWriter<std::uint16_t> inner_mtu =
      0;  // the largest packet that fits into the path, with the tunnel's headers
  std::uint8_t iv = 0, icv = 0, block = 0;  // of AH, `iv` is the room for the ICV, which stands there
  std::uint8_t ip_bytes = 0;                // IP header without options: 20 or 40
  std::uint8_t header_bytes = 0;  // of the template: in a tunnel the outer IP header, UDP, ESP or AH
  bool udp = false, v4 = false;
  SaKind kind{};
  bool more_fields = false;   // the outer header has more to complete than every header has: UDP's length, DF
  bool after_crypto = false;  // encapsulate_finish() has something to do, or another SA (`over`)
  bool esn = false;
  std::uint8_t tail = 0;  // CryptoJob::tail
  // Line 1: OuterHeader::bytes, which are copied and completed for each packet. They end at the end of the
  // array, so that one copy of fixed size serves every length.
  alignas(64) std::array<std::uint8_t, 56> header{};
  std::uint32_t route_generation = 0, route = 0;  // of the outer packet, as last looked up
  // From line 2 on: for the cold path and the control thread.
  SaLimits limits;
  SaId id{};
  IpAddress destination;               // of the outer packet
  const OutboundSlot* over = nullptr;  // whose SA protects its packets once more; null: none does
  Published<const OuterHeader> moved;  // what the owner is to use instead: the peer or we have moved
  MtuOptions options;
  OneWriter<std::uint16_t> outer_mtu = 0;  // of the path
  std::uint32_t first_identification = 0;  // see identification()
  Dressing dressing;                       // is_dressed(kind)
  AggfragOut* aggfrag = nullptr;           // of an SA of AGGFRAG: what waits for its payloads
  SaLease* lease = nullptr;                // null: nobody goes on with it (dp/sa/lease.h)
  std::uint64_t ceiling = kNever;          // what its lease says, as it was last raised
  std::uint64_t skipped = 0;               // numbers below next_seq that are no packets of this SA
};
// The IP identification of an outer packet that may be fragmented: the sequence number, counted from a random
// start. So an SA repeats none for as long as the field can tell packets apart (RFC 6864 §4.3), and does not
// count along with the SA that it took over from, whose packets between the same ends may still be under way.
// Should two fragments be mixed up nevertheless, the ICV tells.
inline std::uint32_t identification(const OutboundSa& sa, std::uint64_t seq) {
  return static_cast<std::uint32_t>(seq) + sa.first_identification;
}

static_assert(offsetof(OutboundSa, header) == 64 && offsetof(OutboundSa, limits) == 128);

// The template ends with the ESP header (RFC 4303 §2), or what AH has before its ICV (RFC 4302 §2).
inline Be32 spi_of(const OutboundSa& sa) { return Be32{load_be32(sa.header.data() + sa.header.size() - 8)}; }

}  // namespace simplon::dp

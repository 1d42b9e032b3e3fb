// The hot part of an SA: what each packet needs, packed. Names, keys and time lifetimes live with the control
// thread.
//
// One worker, the owner, writes; the control thread reads the counters. Created and destroyed by the
// control thread (dp/tables/registry.h), destroyed only after a grace period: at a turn's end nothing of an
// SA is inside a device, since cryptography is run to its end within the turn (dp/crypto/crypto.h).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/counter.h"
#include "dp/base/sa_spec.h"
#include "dp/packet/flow.h"
#include "dp/sa/replay_window.h"

namespace simplon::dp {

struct CryptoSession;  // dp/crypto/crypto.h

inline constexpr std::uint64_t kNever = ~std::uint64_t{0};
// Without ESN the number that travels must not repeat (RFC 4303 §3.3.3): the last one that may be sent.
inline constexpr std::uint64_t kLastSequence = 0xffffffff;
// Asks for a rekey while there is still room for what is in flight.
inline constexpr std::uint64_t kSoftSequence = kLastSequence - (1u << 20);

// Soft and hard volume limits. The fast path compares with the next one to come; the cold path (reached)
// sorts out which it was, says so once, and sets the next.
struct SaLimits {
  std::uint64_t soft_packets = kNever, hard_packets = kNever, soft_bytes = kNever, hard_bytes = kNever;
  bool soft_told = false, hard_told = false, expired = false;

  enum class News : std::uint8_t { kNothing, kSoft, kHard };
  // `packets` and `bytes` passed so far. kHard: nothing more may pass.
  News reached(std::uint64_t packets, std::uint64_t bytes) {
    if (expired || packets >= hard_packets || bytes >= hard_bytes) {
      expired = true;
      return std::exchange(hard_told, true) ? News::kNothing : News::kHard;
    }
    if (!soft_told && (packets >= soft_packets || bytes >= soft_bytes)) return soft_told = true, News::kSoft;
    return News::kNothing;
  }
  // The news could not be passed on: it is said again with the next packet.
  void untold(News news) {
    if (news == News::kSoft) soft_told = false;
    if (news == News::kHard) hard_told = false;
  }
  std::uint64_t next_packets() const {
    return soft_told ? hard_packets : std::min(soft_packets, hard_packets);
  }
  std::uint64_t next_bytes() const { return soft_told ? hard_bytes : std::min(soft_bytes, hard_bytes); }
};

struct alignas(64) OutboundSa {
  // Line 0: read and written for every packet.
  Counter next_seq = 1;                     // 64 bits are kept; the low half travels
  std::uint64_t check_at_packets = kNever;  // at this number the cold path is asked
  Counter bytes = 0;                        // of inner packets
  std::uint64_t check_at_bytes = kNever;
  const CryptoSession* session = nullptr;
  std::uint32_t salt = 0;       // of an AEAD, as it stands in the nonce; of CBC random, see set_iv()
  std::uint32_t outer_sum = 0;  // IPv4: one's complement sum of the header but for its length and DSCP
  std::uint16_t owner = 0;
  std::uint16_t mtu = 0;  // largest outer packet: the least of the unprotected ports'
  std::uint8_t iv = 0, icv = 0, block = 0;
  std::uint8_t ip_bytes = 0;      // outer IP header: 20 or 40
  std::uint8_t header_bytes = 0;  // of the template: outer IP, UDP, ESP
  bool udp = false, aead = false, v4 = false;
  // Line 1: the outer headers, to be copied and completed (RFC 4301 §5.1.2). They end where the array ends,
  // so that one copy of fixed size does for all.
  alignas(64) std::array<std::uint8_t, 56> header{};
  std::uint32_t route_generation = 0, route = 0;  // of the outer packet, as last looked up
  // From line 2 on: for the cold path and the control thread.
  SaLimits limits;
  SaId id{};
  IpAddress destination;  // of the outer packet
};
static_assert(offsetof(OutboundSa, header) == 64 && offsetof(OutboundSa, limits) == 128);

// One pair of selectors as the packet is compared to it.
struct CompactSelector {
  AddressNumber source_first{}, source_last{}, destination_first{}, destination_last{};
  std::uint16_t sport_first = 0, sport_last = 65535, dport_first = 0, dport_last = 65535;
  std::uint8_t protocol = kAnyProtocol;
  bool v4 = true;
  bool asks_ports = false;  // a later fragment may or may not match, so it does not (RFC 4301 §7)
};

struct alignas(64) InboundSa {
  // Line 0.
  Be32 spi{};
  std::uint16_t owner = 0;
  std::uint8_t iv = 0, icv = 0, block = 0;
  bool aead = false;
  std::uint16_t selector_count = 0;
  const CryptoSession* session = nullptr;
  std::uint32_t salt = 0;
  Counter packets, bytes;
  std::uint64_t check_at_packets = kNever, check_at_bytes = kNever;
  // Line 1.
  ReplayWindow window;
  const CompactSelector* selectors = nullptr;
  AddressNumber destination{};
  // From here on the cold part: counters of what was refused first.
  Counter replayed, bad_icv, selector_mismatch;
  SaLimits limits;
  SaId id{};
  std::vector<CompactSelector> selector_store;

  explicit InboundSa(std::uint32_t replay_window) : window(replay_window) {}
};
static_assert(offsetof(InboundSa, window) == 64 && offsetof(InboundSa, replayed) <= 128);

}  // namespace simplon::dp

// Every way a packet can die, by name. One counter per reason and worker; the console prints these names.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace simplon::dp {

enum class Drop : std::uint8_t {
  kNone,
  kRunt,         // shorter than its headers say
  kMalformed,    // version, IHL or length fields contradict each other
  kBadChecksum,  // IPv4 header checksum
  kTtlExpired,
  kUnknownEtherType,
  kNotForUs,         // destination MAC is another host's
  kFragment,         // a fragment where a whole packet is needed
  kTooBig,           // larger than the path's MTU with the tunnel's overhead
  kPolicyDiscard,    // SPD entry with action DISCARD
  kNoPolicy,         // no SPD entry matched (RFC 4301 §5)
  kNoSa,             // PROTECT entry without an SA: acquire
  kClearNotAllowed,  // inbound clear packet that a PROTECT entry covers
  kGatewayOff,
  kUnknownSpi,
  kReplayed,  // seen before
  kTooOld,    // left of the window
  kBadIcv,
  kCryptoError,  // the device failed, not the packet
  kBadPadding,
  kBadNextHeader,      // trailer names no protocol that a tunnel carries
  kDummy,              // RFC 4303 §2.6 next header 59
  kEcn,                // congestion experienced outside, but the inner packet knows no ECN (RFC 6040 §4.2)
  kSelectorMismatch,   // inner packet outside the SA's selectors (RFC 4301 §5.2 step 4)
  kSequenceExhausted,  // the SA may send no more
  kLifetimeExpired,    // hard byte or packet limit
  kNatKeepalive,
  kNoRoute,
  kNoNeighbour,  // next hop not resolved in time
  kQueueFull,    // a neighbour's mailbox
  kTxFull,
  kPuntFull,  // exception path
  kNoBuffer,
  kCount
};
inline constexpr std::size_t kDropReasons = static_cast<std::size_t>(Drop::kCount);

std::string_view name(Drop reason);  // "replayed", "bad-icv", …

}  // namespace simplon::dp

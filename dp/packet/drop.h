// SPDX-License-Identifier: Apache-2.0
// Every way a packet can die: one table, a row each. A worker counts by reason; the console shows the names
// and what they mean.
//
// A new reason is an enumerator and a row at the same place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace simplon::dp {

enum class Drop : std::uint8_t {
  kNone,
  kRunt,
  kMalformed,
  kBadChecksum,
  kTtlExpired,
  kUnknownEtherType,
  kUnknownVlan,
  kNotForUs,
  kMartianSource,
  kMartianDestination,
  kOwnSource,
  kNotFromHost,
  kFragment,
  kFragmentOverlap,
  kFragmentLimit,
  kFragmentTimeout,
  kFragmentRefused,
  kTooBig,
  kPolicyDiscard,
  kNoPolicy,
  kNoSa,
  kClearNotAllowed,
  kGatewayOff,
  kUnknownSpi,
  kReplayed,
  kTooOld,
  kBadIcv,
  kCryptoError,
  kBadPadding,
  kBadNextHeader,
  kDummy,
  kAggfragLate,
  kAggfragLost,
  kAggfragLimit,
  kAggfragQueueFull,
  kEcn,
  kSelectorMismatch,
  kNotInBundle,
  kSequenceExhausted,
  kLifetimeExpired,
  kNatKeepalive,
  kPathMtu,
  kNoRoute,
  kRouteBlackhole,
  kRouteUnreachable,
  kRouteProhibit,
  kTunnelDown,
  kTunnelLoop,
  kNoNeighbour,
  kQueueFull,
  kTxFull,
  kPortDown,
  kPuntFull,
  kNoBuffer,
  kTooManyRounds,
  kCount
};
inline constexpr std::size_t kDropReasons = static_cast<std::size_t>(Drop::kCount);

struct DropRow {
  Drop id;
  std::string_view name;
  std::string_view help;  // one line
};

inline constexpr std::array<DropRow, kDropReasons> kDropTable{{
    {Drop::kNone, "none", "the packet was not dropped"},
    {Drop::kRunt, "runt", "shorter than its headers say"},
    {Drop::kMalformed, "malformed", "version, header length or length fields contradict each other"},
    {Drop::kBadChecksum, "bad-checksum", "the checksum of the IPv4 header is wrong"},
    {Drop::kTtlExpired, "ttl-expired", "TTL or hop limit does not allow another hop"},
    {Drop::kUnknownEtherType, "unknown-ethertype", "a frame that carries neither IP nor ARP"},
    {Drop::kUnknownVlan, "unknown-vlan", "a frame of a VLAN that is no port, or one that the kernel tagged"},
    {Drop::kNotForUs, "not-for-us", "sent to another host's MAC, or to a group that stays on its link"},
    {Drop::kMartianSource, "martian-source",
     "from an address that no host sends from: loopback, unspecified, multicast, broadcast, class E, or "
     "link-local and not on its link (RFC 1812 section 5.3.7)"},
    {Drop::kMartianDestination, "martian-destination",
     "to an address that nothing is forwarded to: loopback, unspecified, class E, a network's broadcast, or "
     "link-local and not on its link"},
    {Drop::kOwnSource, "own-source", "off a wire or out of a tunnel, from an address of the gateway's own"},
    {Drop::kNotFromHost, "not-from-host",
     "out of the host's kernel with a source that is none of the host's addresses: forwarded by the kernel, "
     "which no bypass 'via: kernel' allows"},
    {Drop::kFragment, "fragment",
     "a fragment that waited for its neighbour, or came over from another worker; the policies have changed "
     "and ask for ports"},
    {Drop::kFragmentOverlap, "fragment-overlap", "fragments of a datagram that contradict each other"},
    {Drop::kFragmentLimit, "fragment-limit", "fragments that made room for those of newer datagrams"},
    {Drop::kFragmentTimeout, "fragment-timeout", "fragments of a datagram whose rest did not come in time"},
    {Drop::kFragmentRefused, "fragment-refused", "a fragment, and its SPD entry says 'fragments: drop'"},
    {Drop::kTooBig, "too-big", "larger than the MTU, with the tunnel's headers, and may not be fragmented"},
    {Drop::kPolicyDiscard, "policy-discard", "the SPD entry says DISCARD"},
    {Drop::kNoPolicy, "no-policy", "no SPD entry matches (RFC 4301 section 5)"},
    {Drop::kNoSa, "no-sa", "the SPD entry says PROTECT and has no SA yet; IKE is asked for one"},
    {Drop::kClearNotAllowed, "clear-not-allowed",
     "in clear, but the SPD entry says PROTECT, or its way is a tunnel interface"},
    {Drop::kGatewayOff, "gateway-off", "the gateway is switched off"},
    {Drop::kUnknownSpi, "unknown-spi", "ESP or AH to this gateway with an SPI that no SA has"},
    {Drop::kReplayed, "replayed", "its sequence number was received before"},
    {Drop::kTooOld, "too-old", "its sequence number is left of the replay window"},
    {Drop::kBadIcv, "bad-icv", "the integrity check failed: forged or damaged"},
    {Drop::kCryptoError, "crypto-error", "the crypto device failed"},
    {Drop::kBadPadding, "bad-padding", "the ESP padding is not 1, 2, 3 and so on"},
    {Drop::kBadNextHeader, "bad-next-header", "the ESP trailer names no protocol that a tunnel carries"},
    {Drop::kDummy, "dummy",
     "a dummy packet, made to hide traffic (RFC 4303 section 2.6), that came, or whose SA went before it was "
     "sent"},
    {Drop::kAggfragLate, "aggfrag-late",
     "a payload of AGGFRAG that came after the ones behind it had been opened without it (RFC 9347 section "
     "2.2.3)"},
    {Drop::kAggfragLost, "aggfrag-lost", "a packet in AGGFRAG of which a part was lost on its way"},
    {Drop::kAggfragLimit, "aggfrag-limit",
     "AGGFRAG brought more packets at once, or keeps more of them open, than are allowed"},
    {Drop::kAggfragQueueFull, "aggfrag-queue-full",
     "too many packets wait for their AGGFRAG payload to leave, of their SA or of all"},
    {Drop::kEcn, "ecn", "marked as congested on its way, but its sender knows no ECN (RFC 6040 section 4.2)"},
    {Drop::kSelectorMismatch, "selector-mismatch", "the decrypted packet is outside the SA's selectors"},
    {Drop::kNotInBundle, "not-in-bundle",
     "its SA is one of a bundle, and it did not come by the SA that should be around it (RFC 4301 section "
     "4.5)"},
    {Drop::kSequenceExhausted, "sequence-exhausted", "the SA has sent its last sequence number"},
    {Drop::kLifetimeExpired, "lifetime-expired", "the SA has reached its hard limit of bytes or packets"},
    {Drop::kNatKeepalive, "nat-keepalive", "a NAT keepalive, which has done its work (RFC 3948 section 2.3)"},
    {Drop::kPathMtu, "path-mtu",
     "an ICMP message about ESP that was too large for its path; the SA sends smaller"},
    {Drop::kNoRoute, "no-route", "no route to the destination"},
    {Drop::kRouteBlackhole, "route-blackhole", "the route to the destination says blackhole"},
    {Drop::kRouteUnreachable, "route-unreachable", "the route to the destination says unreachable"},
    {Drop::kRouteProhibit, "route-prohibit", "the route to the destination says prohibit"},
    {Drop::kTunnelDown, "tunnel-down",
     "the tunnel interface that it is routed to, or came by, is set down or gone"},
    {Drop::kTunnelLoop, "tunnel-loop",
     "the route to the other end of its tunnel leads into a tunnel interface"},
    {Drop::kNoNeighbour, "no-neighbour", "the next hop did not answer in time"},
    {Drop::kQueueFull, "queue-full", "the queue to another worker is full"},
    {Drop::kTxFull, "tx-full", "the transmit queue of the port is full"},
    {Drop::kPortDown, "port-down", "the device of the port is gone"},
    {Drop::kPuntFull, "punt-full", "the queue to the kernel is full"},
    {Drop::kNoBuffer, "no-buffer", "no packet buffer is free, or there is no room for a header in it"},
    {Drop::kTooManyRounds, "too-many-rounds",
     "went through the stages of its worker more often than any packet should"},
}};

namespace detail {
constexpr bool drop_rows_are_in_place() {
  for (std::size_t i = 0; i < kDropReasons; ++i) {
    const DropRow& row = kDropTable[i];
    if (static_cast<std::size_t>(row.id) != i || row.name.empty() || row.help.empty()) return false;
  }
  return true;
}
}  // namespace detail
static_assert(detail::drop_rows_are_in_place());

constexpr std::string_view name(Drop reason) { return kDropTable[static_cast<std::size_t>(reason)].name; }

}  // namespace simplon::dp

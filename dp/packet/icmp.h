// SPDX-License-Identifier: Apache-2.0
// ICMP errors of both families as a router makes and reads them (RFC 792, RFC 1812 §4.3, RFC 4443 §2.4):
// which drops are told to a sender and how, whether a packet may be answered at all, and the packet that an
// error quotes.
//
// Nothing here knows tables or limits (dp/worker/stage_icmp.h). One worker.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <optional>

#include "dp/packet/drop.h"
#include "dp/packet/packet.h"

namespace simplon::dp {

// Errors of one kind share a rate limit: a flood of one kind must not silence the others.
enum class IcmpKind : std::uint8_t { kTimeExceeded, kTooBig, kUnreachable, kCount };

struct IcmpRow {
  Drop reason;
  IcmpKind kind;
  std::uint8_t type4, code4, type6, code6;
};
// The drops that a sender is told of. kPolicyDiscard and kNoPolicy only where the configuration says so.
inline constexpr std::array kIcmpTable{
    IcmpRow{Drop::kTtlExpired, IcmpKind::kTimeExceeded, kIcmpTimeExceeded, 0, kIcmpv6TimeExceeded, 0},
    IcmpRow{Drop::kTooBig, IcmpKind::kTooBig, kIcmpUnreachable, kIcmpFragmentationNeeded, kIcmpv6TooBig, 0},
    IcmpRow{Drop::kNoRoute, IcmpKind::kUnreachable, kIcmpUnreachable, kIcmpNetUnreachable, kIcmpv6Unreachable,
            kIcmpv6NoRoute},
    IcmpRow{Drop::kTunnelDown, IcmpKind::kUnreachable, kIcmpUnreachable, kIcmpNetUnreachable,
            kIcmpv6Unreachable, 0},
    IcmpRow{Drop::kRouteUnreachable, IcmpKind::kUnreachable, kIcmpUnreachable, kIcmpHostUnreachable,
            kIcmpv6Unreachable, kIcmpv6NoRoute},
    IcmpRow{Drop::kRouteProhibit, IcmpKind::kUnreachable, kIcmpUnreachable, kIcmpProhibited,
            kIcmpv6Unreachable, kIcmpv6Prohibited},
    IcmpRow{Drop::kNoNeighbour, IcmpKind::kUnreachable, kIcmpUnreachable, kIcmpHostUnreachable,
            kIcmpv6Unreachable, kIcmpv6AddressUnreachable},
    IcmpRow{Drop::kPolicyDiscard, IcmpKind::kUnreachable, kIcmpUnreachable, kIcmpProhibited,
            kIcmpv6Unreachable, kIcmpv6Prohibited},
    IcmpRow{Drop::kNoPolicy, IcmpKind::kUnreachable, kIcmpUnreachable, kIcmpProhibited, kIcmpv6Unreachable,
            kIcmpv6Prohibited}};

constexpr const IcmpRow* find_icmp(Drop reason) {
  for (const IcmpRow& row : kIcmpTable)
    if (row.reason == reason) return &row;
  return nullptr;
}

// An ICMP message that reports an error: none of these is answered with another (RFC 1122 §3.2.2, RFC 4443
// §2.4 e).
bool is_icmp_error(const std::uint8_t* ip, const Headers& headers);
// Whether an error of this kind about this packet may be sent: not about an ICMP error or a redirect, a later
// fragment, a packet to many (but in IPv6, that it is too big: RFC 4443 §2.4 e.3), or one whose source is
// nobody's alone.
bool may_be_answered(const std::uint8_t* ip, const Headers& headers, IcmpKind kind);

// The error about the packet at `headers`, from `from`, which is of its family, to its source; it quotes as
// much as fits into 576 (IPv4) or 1280 octets. `mtu`: of kTooBig, else 0. `id`: of the IPv4 packet. Null:
// there is no buffer. The packet is not changed.
rte_mbuf* make_icmp_error(rte_mbuf* about, const Headers& headers, const IcmpRow& row, std::uint16_t mtu,
                          const IpAddress& from, std::uint16_t id);

// A whole one (RFC 4861 §4.4).
bool is_neighbour_advertisement(const Headers& headers);
// `icmp`: its ICMPv6 header. Its sender is a router.
void set_router_flag(std::uint8_t* icmp);

// The packet inside an ICMP error, of which often only the beginning is there.
struct Quoted {
  const std::uint8_t* ip;
  Headers
      headers;  // offsets from `ip`; `length` is what is there; `fragment` also where the ports are not there
};
// None: the message is no error, or quotes no packet whose addresses and protocol can be read.
std::optional<Quoted> quoted_packet(const std::uint8_t* ip, const Headers& headers);
// What answers the quoted packet: addresses and ports the other way round (RFC 4301 §6.2).
Flow return_flow(const Quoted& quoted);
// The quoted packet's return flow, if the error goes to whom the quoted packet came from; else none.
std::optional<Flow> return_flow_of_error(const std::uint8_t* ip, const Headers& headers);

}  // namespace simplon::dp

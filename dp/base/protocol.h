// SPDX-License-Identifier: Apache-2.0
// Numbers that stand in packets, each in one place. Protocol numbers, ports and ICMP types are IANA's,
// EtherTypes IEEE's.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace simplon {

// IP protocols and IPv6 extension headers share one number space.
inline constexpr std::uint8_t kIpv6HopByHop = 0, kIcmp = 1, kIpip = 4, kTcp = 6, kUdp = 17, kDccp = 33,
                              kIpv6InIp = 41, kIpv6Routing = 43, kIpv6Fragment = 44, kEsp = 50, kAh = 51,
                              kIcmpv6 = 58, kNoNextHeader = 59, kIpv6Destination = 60, kSctp = 132;
// Those that a packet is parsed behind (RFC 8200 §4).
constexpr bool is_extension_header(std::uint8_t next) {
  return next == kIpv6HopByHop || next == kIpv6Routing || next == kIpv6Destination || next == kIpv6Fragment;
}
// In a selector 0 is any protocol (RFC 7296 §3.13.1); no packet has it as what it carries.
inline constexpr std::uint8_t kAnyProtocol = 0;

struct ProtocolName {
  std::string_view name;
  std::uint8_t number;
};
inline constexpr std::array kProtocolNames{ProtocolName{"any", kAnyProtocol}, ProtocolName{"icmp", kIcmp},
                                           ProtocolName{"tcp", kTcp},         ProtocolName{"udp", kUdp},
                                           ProtocolName{"icmpv6", kIcmpv6},   ProtocolName{"sctp", kSctp}};

enum class Port : std::uint16_t {};
inline constexpr Port kIkePort{500};
inline constexpr Port kNatTraversalPort{4500};  // RFC 3948
inline constexpr Port kDhcpServerPort{67}, kDhcpClientPort{68};

// ICMP (RFC 792): the types that report an error, and the codes of kIcmpUnreachable (RFC 1191, RFC 1812
// §5.2.7.1).
inline constexpr std::uint8_t kIcmpUnreachable = 3, kIcmpSourceQuench = 4, kIcmpRedirect = 5,
                              kIcmpTimeExceeded = 11, kIcmpParameterProblem = 12;
inline constexpr std::uint8_t kIcmpNetUnreachable = 0, kIcmpHostUnreachable = 1, kIcmpFragmentationNeeded = 4,
                              kIcmpProhibited = 13;
// ICMPv6 (RFC 4443 §2.1): types below this one report an error; codes of kIcmpv6Unreachable (§3.1).
inline constexpr std::uint8_t kFirstIcmpv6Information = 128;
inline constexpr std::uint8_t kIcmpv6Unreachable = 1, kIcmpv6TooBig = 2, kIcmpv6TimeExceeded = 3;
inline constexpr std::uint8_t kIcmpv6Redirect = 137;  // RFC 4861 §4.5
inline constexpr std::uint8_t kIcmpv6NoRoute = 0, kIcmpv6Prohibited = 1, kIcmpv6AddressUnreachable = 3;

// The least MTU of a path: what every host must take whole (RFC 791 §3.1), what every link must carry (RFC
// 8200 §5).
inline constexpr std::uint16_t kLeastIpv4Mtu = 576, kLeastIpv6Mtu = 1280;

// Router and neighbour solicitation and advertisement, redirect (RFC 4861 §4): the first and the last.
inline constexpr std::uint8_t kFirstNeighbourDiscovery = 133, kNeighbourAdvertisement = 136,
                              kLastNeighbourDiscovery = 137;

inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800, kEtherTypeArp = 0x0806, kEtherTypeIpv6 = 0x86dd,
                               kEtherTypeVlan = 0x8100, kEtherTypeServiceVlan = 0x88a8,
                               kEtherTypeSlow = 0x8809, kEtherTypeEapol = 0x888e, kEtherTypeLldp = 0x88cc;
// Below it the field is a length and LLC follows (IEEE 802.3).
inline constexpr std::uint16_t kFirstEtherType = 0x600;

}  // namespace simplon

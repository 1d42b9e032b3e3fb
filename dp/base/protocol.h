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
                              kIcmpv6 = 58, kNoNextHeader = 59, kIpv6Destination = 60, kSctp = 132,
                              kMobility = 135, kAggfrag = 144;
// Those that a packet is parsed behind (RFC 8200 §4).
constexpr bool is_extension_header(std::uint8_t next) {
  return next == kIpv6HopByHop || next == kIpv6Routing || next == kIpv6Destination || next == kIpv6Fragment;
}
// Protocols with ports, or with a type, and maybe a code, in their place (RFC 4301 §4.4.1.1). Of any other
// protocol only the addresses are known.
constexpr bool has_types(std::uint8_t protocol) {
  return protocol == kIcmp || protocol == kIcmpv6 || protocol == kMobility;
}
constexpr bool has_ports(std::uint8_t protocol) {
  return protocol == kTcp || protocol == kUdp || protocol == kSctp || protocol == kDccp ||
         has_types(protocol);
}
// In a selector 0 is any protocol (RFC 7296 §3.13.1); no packet has it as what it carries.
inline constexpr std::uint8_t kAnyProtocol = 0;

struct ProtocolName {
  std::string_view name;
  std::uint8_t number;
};
inline constexpr std::array kProtocolNames{ProtocolName{"any", kAnyProtocol}, ProtocolName{"icmp", kIcmp},
                                           ProtocolName{"tcp", kTcp},         ProtocolName{"udp", kUdp},
                                           ProtocolName{"icmpv6", kIcmpv6},   ProtocolName{"sctp", kSctp},
                                           ProtocolName{"mh", kMobility}};

// Names of types as nftables has them.
struct TypeName {
  std::string_view name;
  std::uint8_t protocol, type;
};
inline constexpr std::array kTypeNames{TypeName{"echo-reply", kIcmp, 0},
                                       TypeName{"destination-unreachable", kIcmp, 3},
                                       TypeName{"source-quench", kIcmp, 4},
                                       TypeName{"redirect", kIcmp, 5},
                                       TypeName{"echo-request", kIcmp, 8},
                                       TypeName{"router-advertisement", kIcmp, 9},
                                       TypeName{"router-solicitation", kIcmp, 10},
                                       TypeName{"time-exceeded", kIcmp, 11},
                                       TypeName{"parameter-problem", kIcmp, 12},
                                       TypeName{"timestamp-request", kIcmp, 13},
                                       TypeName{"timestamp-reply", kIcmp, 14},
                                       TypeName{"info-request", kIcmp, 15},
                                       TypeName{"info-reply", kIcmp, 16},
                                       TypeName{"address-mask-request", kIcmp, 17},
                                       TypeName{"address-mask-reply", kIcmp, 18},
                                       TypeName{"destination-unreachable", kIcmpv6, 1},
                                       TypeName{"packet-too-big", kIcmpv6, 2},
                                       TypeName{"time-exceeded", kIcmpv6, 3},
                                       TypeName{"parameter-problem", kIcmpv6, 4},
                                       TypeName{"echo-request", kIcmpv6, 128},
                                       TypeName{"echo-reply", kIcmpv6, 129},
                                       TypeName{"mld-listener-query", kIcmpv6, 130},
                                       TypeName{"mld-listener-report", kIcmpv6, 131},
                                       TypeName{"mld-listener-done", kIcmpv6, 132},
                                       TypeName{"nd-router-solicit", kIcmpv6, 133},
                                       TypeName{"nd-router-advert", kIcmpv6, 134},
                                       TypeName{"nd-neighbor-solicit", kIcmpv6, 135},
                                       TypeName{"nd-neighbor-advert", kIcmpv6, 136},
                                       TypeName{"nd-redirect", kIcmpv6, 137},
                                       TypeName{"mld2-listener-report", kIcmpv6, 143},
                                       TypeName{"binding-refresh-request", kMobility, 0},
                                       TypeName{"home-test-init", kMobility, 1},
                                       TypeName{"careof-test-init", kMobility, 2},
                                       TypeName{"home-test", kMobility, 3},
                                       TypeName{"careof-test", kMobility, 4},
                                       TypeName{"binding-update", kMobility, 5},
                                       TypeName{"binding-acknowledgement", kMobility, 6},
                                       TypeName{"binding-error", kMobility, 7}};

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

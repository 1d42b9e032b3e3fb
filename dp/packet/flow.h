// SPDX-License-Identifier: Apache-2.0
// A clear packet as the policies see it (Flow), and what they decide about it (Decision).
#pragma once

#include <cstdint>

#include "dp/base/address.h"
#include "dp/base/network_spec.h"
#include "dp/base/protocol.h"
#include "dp/packet/drop.h"

namespace simplon::dp {

// Where a clear packet came from; the IPsec boundary lies between the first two and the third (RFC
// 4301 §4.4.1).
enum class Origin : std::uint8_t {
  kProtected,        // a protected port
  kDecrypted,        // an SA; its selectors were checked
  kUnprotected,      // an unprotected port, in clear
  kHostProtected,    // the gateway's own kernel, out of the TAP of a protected port
  kHostUnprotected,  // the same, of an unprotected port
  kHostTunnel,       // the same, out of a tunnel interface
  kBundle,           // of an SA of ours, for the SA that is over it: no policy is asked
  kDummy,            // made to hide traffic, for the SA that its slot has: no policy is asked
  kGateway,          // the data path itself: an ICMP error, which counts as the protected side's
};

__extension__ using AddressKey = unsigned __int128;

// Ports in host order; for ICMP both are type * 256 + code, for the Mobility Header type * 256; 0 where there
// are none.
struct Flow {
  IpAddress source, destination;
  std::uint16_t sport = 0, dport = 0;
  std::uint8_t protocol = 0;
  Origin origin{};
  PortIndex port{};  // where it came in; kDecrypted: the tunnel interface of its SA, if it has one
  // A fragment, the first one as well: ports are not known, and the protocol may be an extension header.
  bool fragment = false;
  // Where the entries asked for it: which fragment it is (RFC 4301 §7.2). Of the first the ports are known.
  enum class Piece : std::uint8_t { kUnknown, kFirst, kLater } piece = Piece::kUnknown;
};

// Of a fragment whose own fragment header names another extension header.
inline bool is_protocol_unknown(const Flow& flow) {
  return flow.fragment && !flow.source.is_v4() && is_extension_header(flow.protocol);
}

struct Decision {
  enum class Kind : std::uint8_t {
    kForward,         // index: next hop
    kProtect,         // index: slot of the policy's outbound SA
    kPunt,            // port(): whose TAP
    kSend,            // as the kernel framed it, on the port() of the TAP
    kDrop,            // reason()
    kBypass,          // as kForward, across the boundary in clear; counted as a hit
    kProtectByClass,  // as kProtect, by the packet's DSCP (RFC 4301 §4.1); hit: index in Tables::classes
  };
  Kind kind : 8 = Kind::kDrop;
  std::uint32_t hit : 24 =
      0;  // of what crosses the boundary in clear, or does not: what counts it (dp/tables/hits.h)
  std::uint32_t index = 0;

  PortIndex port() const { return PortIndex{static_cast<std::uint16_t>(index)}; }
  Drop reason() const { return static_cast<Drop>(index); }
  bool protects() const { return kind == Kind::kProtect || kind == Kind::kProtectByClass; }
  bool forwards() const { return kind == Kind::kForward || kind == Kind::kBypass; }

  static constexpr Decision forward(std::uint32_t next_hop) {
    return {.kind = Kind::kForward, .index = next_hop};
  }
  static constexpr Decision protect(std::uint32_t slot) { return {.kind = Kind::kProtect, .index = slot}; }
  static constexpr Decision punt(PortIndex port) {
    return {.kind = Kind::kPunt, .index = static_cast<std::uint32_t>(port)};
  }
  static constexpr Decision send(PortIndex port) {
    return {.kind = Kind::kSend, .index = static_cast<std::uint32_t>(port)};
  }
  static constexpr Decision drop(Drop reason) {
    return {.kind = Kind::kDrop, .index = static_cast<std::uint32_t>(reason)};
  }
  // The same, counted.
  constexpr Decision counted(std::uint32_t by) const {
    return {.kind = kind == Kind::kForward ? Kind::kBypass : kind, .hit = by, .index = index};
  }

  // What is done with the packet is the same.
  friend bool operator==(const Decision& a, const Decision& b) {
    return a.index == b.index && (a.kind == b.kind || (a.forwards() && b.forwards()));
  }
};
static_assert(sizeof(Decision) == 8);

inline constexpr std::uint32_t kBroadcast = 0xffffffff;

// Multicast, and IPv4's broadcast.
inline bool is_multicast(const IpAddress& a) {
  return a.is_v4() ? (a.v4_host() >> 28) == 0xe || a.v4_host() == kBroadcast : a.bytes()[0] == 0xff;
}

}  // namespace simplon::dp

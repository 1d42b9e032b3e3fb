// SPDX-License-Identifier: Apache-2.0
// Addresses that no packet on a wire may have (RFC 1812 §5.3.7, RFC 6890, RFC 4291 §2.5), and the MAC
// addresses of groups. What depends on the gateway's own addresses is asked of its routes
// (dp/tables/decision.cpp).
#pragma once

#include "dp/base/address.h"
#include "dp/packet/flow.h"

namespace simplon::dp {

// ::ffff:0:0/96: an IPv4 address in a program's hands, never on a wire (RFC 4291 §2.5.5.2, RFC 6890).
inline bool is_ipv4_mapped(const IpAddress& a) {
  return !a.is_v4() && load_be64(a.bytes().data()) == 0 && load_be32(a.bytes().data() + 8) == 0xffff;
}

// ::/127: unspecified and loopback.
inline bool is_unspecified_or_loopback(const IpAddress& a) {
  const std::uint8_t* b = a.bytes().data();
  if (a.is_v4()) return b[0] == 0 || b[0] == 127;  // "this network" is a source of none that has an address
  return load_be64(b) == 0 && load_be64(b + 8) <= 1;
}

// One host's own: not unspecified, loopback, multicast, broadcast, class E or IPv4-mapped.
inline bool is_one_host(const IpAddress& a) {
  if (is_unspecified_or_loopback(a)) return false;
  return a.is_v4() ? a.bytes()[0] < 0xe0 : a.bytes()[0] != 0xff && !is_ipv4_mapped(a);
}

// A packet may be sent there: to one host, or to many.
inline bool may_be_destination(const IpAddress& a) { return is_one_host(a) || is_multicast(a); }

// Of the frames to a group (RFC 1112 §6.4, RFC 2464 §7).
inline Mac multicast_mac(const IpAddress& group) {
  const Bytes b = group.bytes();
  if (group.is_v4()) return {0x01, 0x00, 0x5e, static_cast<std::uint8_t>(b[1] & 0x7f), b[2], b[3]};
  return {0x33, 0x33, b[12], b[13], b[14], b[15]};
}

}  // namespace simplon::dp

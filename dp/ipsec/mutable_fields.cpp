// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/mutable_fields.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "dp/packet/packet.h"

namespace simplon::dp {
namespace {

// IPv4 options (RFC 4302 appendix A1).
constexpr std::uint8_t kEndOfOptions = 0, kNoOperation = 1, kLooseRoute = 131, kStrictRoute = 137;
constexpr std::array<std::uint8_t, 5> kImmutableOptions{130, 133, 134, 148, 149};
// IPv6 options that may change on the way say so in this bit (RFC 8200 §4.2). One octet of padding has no
// length.
constexpr std::uint8_t kMayChange = 0x20, kPad1 = 0;
constexpr std::uint8_t kSourceRoute = 0, kMobilityRoute = 2;  // types of routing headers: RFC 2460, RFC 6275

bool mask_ipv4_options(std::uint8_t* ip, unsigned bytes, bool out) {
  for (unsigned at = kIpv4Bytes; at < bytes && ip[at] != kEndOfOptions;) {
    if (ip[at] == kNoOperation) {
      ++at;
      continue;
    }
    const unsigned length = at + 1 < bytes ? ip[at + 1] : 0u;
    if (length < 2 || at + length > bytes) return false;
    // To the last address of a source route the packet will have gone.
    const bool route = ip[at] == kLooseRoute || ip[at] == kStrictRoute;
    if (route && out && length >= 7 && ip[at + 2] < length) std::memcpy(ip + 16, ip + at + length - 4, 4);
    if (std::ranges::find(kImmutableOptions, ip[at]) == kImmutableOptions.end())
      std::memset(ip + at, 0, length);
    at += length;
  }
  return true;
}

bool mask_ipv4(std::uint8_t* ip, unsigned bytes, bool out) {
  ip[1] = 0;              // DSCP and ECN
  store_be16(ip + 6, 0);  // flags and fragment offset
  ip[8] = 0;              // TTL
  store_be16(ip + 10, 0);
  return mask_ipv4_options(ip, bytes, out);
}

bool mask_ipv6_options(std::uint8_t* header, unsigned bytes) {
  for (unsigned at = 2; at < bytes;) {
    if (header[at] == kPad1) {
      ++at;
      continue;
    }
    const unsigned length = at + 1 < bytes ? header[at + 1] + 2u : 0u;
    if (length < 2 || at + length > bytes) return false;
    if ((header[at] & kMayChange) != 0) std::memset(header + at + 2, 0, length - 2);
    at += length;
  }
  return true;
}

// The addresses change places as they will at each hop: the last is then the destination.
bool follow_route(std::uint8_t* ip, std::uint8_t* header, unsigned bytes) {
  std::uint8_t& left = header[3];
  if (left == 0) return true;
  const unsigned addresses = (bytes - 8) / 16;
  if ((header[2] != kSourceRoute && header[2] != kMobilityRoute) || left > addresses) return false;
  for (; left > 0; --left) {
    std::uint8_t* next = header + 8 + 16 * (addresses - left);
    std::swap_ranges(next, next + 16, ip + 24);
  }
  return true;
}

bool mask_ipv6(std::uint8_t* ip, unsigned bytes, bool out) {
  store_be32(ip, 0x60000000);  // traffic class and flow label
  ip[7] = 0;                   // hop limit
  std::uint8_t next = ip[6];
  for (unsigned at = kIpv6Bytes; at < bytes;) {
    if (at + 8 > bytes) return false;
    const unsigned length = next == kIpv6Fragment ? 8u : (ip[at + 1] + 1u) * 8u;
    if (at + length > bytes) return false;
    if ((next == kIpv6HopByHop || next == kIpv6Destination) && !mask_ipv6_options(ip + at, length))
      return false;
    if (next == kIpv6Routing && out && !follow_route(ip, ip + at, length)) return false;
    next = ip[at];
    at += length;
  }
  return true;
}

}  // namespace

bool mask_mutable_fields(std::uint8_t* ip, bool v4, unsigned bytes, bool out) {
  return v4 ? mask_ipv4(ip, bytes, out) : mask_ipv6(ip, bytes, out);
}

}  // namespace simplon::dp

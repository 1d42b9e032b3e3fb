// SPDX-License-Identifier: Apache-2.0
// What a worker sees of one frame: bounds checked once, here; behind it every offset is inside the first
// segment.
//
// Headers are good for one worker and one turn: a packet that another worker handed over, that has waited, or
// that was decrypted is parsed again.
#pragma once

#include <netinet/in.h>
#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "dp/base/bytes.h"
#include "dp/packet/drop.h"
#include "dp/packet/flow.h"

namespace simplon::dp {

inline constexpr std::uint16_t kEthernetBytes = 14, kIpv4Bytes = 20, kIpv6Bytes = 40, kUdpBytes = 8,
                               kTcpBytes = 20, kEspBytes = 8, kAhBytes = 12;  // of AH all but the ICV

// In the word of an IPv4 header that has the fragment offset.
inline constexpr std::uint16_t kDontFragment = 0x4000, kMoreFragments = 0x2000;

inline constexpr unsigned kEspTrailerBytes = 2;  // pad length, next header

// RFC 4303 §2.4.
inline constexpr std::array<std::uint8_t, 16> kPadding{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

inline std::uint8_t* bytes_of(rte_mbuf* m) { return rte_pktmbuf_mtod(m, std::uint8_t*); }

// An IP packet at `ip` (offset in the mbuf).
struct Headers {
  std::uint16_t ip = 0;                // offset of the IP header
  std::uint16_t payload = 0;           // offset of what follows it (extension headers passed)
  std::uint16_t length = 0;            // of the whole IP packet, from `ip`
  std::uint16_t sport = 0, dport = 0;  // host order; see Flow
  // Of a fragment what its own fragment header names, which may be another extension header (RFC 8200 §4.5).
  std::uint8_t protocol = 0;
  bool v4 = false;
  bool fragment = false;  // a later fragment
  // Any fragment. Ports are known of none, also not of the first, so that the policies have one answer for
  // all fragments of a datagram (RFC 4301 §7).
  bool partial = false;
  bool syn = false;          // TCP that opens a connection
  bool reassembled = false;  // was put together here; parse_ip() does not know
};

// Sum of an IPv4 header's 32-bit words as they stand in memory: in one's complement the sum of its 16-bit
// words in any byte order (RFC 1071). `bytes` is a multiple of 4, at least 20.
inline std::uint64_t ipv4_checksum_sum32(const std::uint8_t* header, unsigned bytes) {
  const auto word = [header](unsigned i) {
    std::uint32_t w;
    std::memcpy(&w, header + 4 * i, sizeof w);
    return std::uint64_t{w};
  };
  std::uint64_t sum = word(0) + word(1) + word(2) + word(3) + word(4);
  for (unsigned i = 5; i < bytes / 4; ++i) sum += word(i);
  return sum;
}

// One's complement sum of an IPv4 header; 0xffff when its checksum is right.
inline std::uint16_t ipv4_checksum_sum(const std::uint8_t* header, unsigned bytes) {
  std::uint64_t sum = ipv4_checksum_sum32(header, bytes);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return Be16::from_raw(static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16))).host();
}

namespace detail {
inline void ports_at(const std::uint8_t* p, unsigned left, Headers& h) {
  switch (h.protocol) {
    case kTcp:
      h.syn = left >= kTcpBytes && (p[13] & 0x02) != 0;
      [[fallthrough]];
    case kUdp:
    case kSctp:
    case kDccp:
      if (left >= 4) h.sport = load_be16(p), h.dport = load_be16(p + 2);
      break;
    case kIcmp:
    case kIcmpv6:
      if (left >= 2) h.sport = h.dport = load_be16(p);
      break;
    case kMobility:
      if (left >= 3) h.sport = h.dport = static_cast<std::uint16_t>(p[2] << 8);
      break;
    default:
      break;
  }
}

inline Drop parse_ipv4(const std::uint8_t* p, unsigned left, Headers& h) {
  if (left < kIpv4Bytes) return Drop::kRunt;
  const unsigned header = (p[0] & 0x0fu) * 4u, total = load_be16(p + 2);
  if (header < kIpv4Bytes || total < header) return Drop::kMalformed;
  if (total > left) return Drop::kRunt;
  // With a right checksum the sum is 0xffff, which is a zero of one's complement. It is never the other zero,
  // 0, since the version is not 0.
  if (ipv4_checksum_sum32(p, header) % 0xffff != 0) return Drop::kBadChecksum;
  h.v4 = true;
  h.protocol = p[9];
  h.length = static_cast<std::uint16_t>(total);
  h.payload = static_cast<std::uint16_t>(h.ip + header);
  h.partial = (load_be16(p + 6) & 0x3fff) != 0;  // with MORE FRAGMENTS
  if (h.partial)
    h.fragment = (load_be16(p + 6) & 0x1fff) != 0;
  else
    ports_at(p + header, total - header, h);
  return Drop::kNone;
}

// The first `total` octets of an IPv6 packet, at least its own header. Skips hop-by-hop, routing, destination
// and fragment headers (RFC 8200 §4), at most eight of them, and ends behind that of a fragment. Sets no
// ports.
inline Drop parse_ipv6_chain(const std::uint8_t* p, unsigned total, Headers& h) {
  unsigned at = kIpv6Bytes;
  std::uint8_t next = p[6];
  for (int i = 0; is_extension_header(next); ++i) {
    if (i == 8 || at + 8 > total) return Drop::kMalformed;
    if (next == kIpv6Fragment) {
      h.fragment = (load_be16(p + at + 2) & 0xfff8) != 0;
      h.partial = (load_be16(p + at + 2) & 0xfff9) != 0;  // an atomic one is whole (RFC 6946)
    }
    const unsigned bytes = next == kIpv6Fragment ? 8 : (p[at + 1] + 1u) * 8u;
    next = p[at];
    at += bytes;
    if (h.partial) break;
  }
  if (at > total) return Drop::kMalformed;
  h.v4 = false;
  h.protocol = next;
  h.length = static_cast<std::uint16_t>(total);
  h.payload = static_cast<std::uint16_t>(h.ip + at);
  return Drop::kNone;
}

inline Drop parse_ipv6(const std::uint8_t* p, unsigned left, Headers& h) {
  if (left < kIpv6Bytes) return Drop::kRunt;
  const unsigned total = kIpv6Bytes + load_be16(p + 4);
  if (total > left || total > 0xffff) return Drop::kRunt;
  if (const Drop bad = parse_ipv6_chain(p, total, h); bad != Drop::kNone) return bad;
  const unsigned at = h.payload - h.ip + 0u;
  if (!h.partial) ports_at(p + at, total - at, h);
  return Drop::kNone;
}
}  // namespace detail

// Of a first fragment: its headers with the ports that stand in it; none where it is too short for them, or
// its protocol stands behind another extension header. `ip` is where its IP header is.
inline std::optional<Headers> with_ports(const std::uint8_t* ip, const Headers& first) {
  Headers h = first;
  const unsigned at = h.payload - h.ip + 0u, left = h.length - at;
  if (!h.partial || h.fragment || left < 8 || (!h.v4 && is_extension_header(h.protocol))) return std::nullopt;
  h.partial = false;
  detail::ports_at(ip + at, left, h);
  return h;
}

// The IP packet that begins `offset` bytes into the mbuf's first segment.
inline Drop parse_ip(rte_mbuf* m, std::uint16_t offset, Headers& h) {
  h = {};
  h.ip = offset;
  const unsigned have = rte_pktmbuf_data_len(m);
  if (have <= offset || m->nb_segs != 1) return Drop::kRunt;
  const std::uint8_t* p = bytes_of(m) + offset;
  switch (p[0] >> 4) {
    case 4:
      return detail::parse_ipv4(p, have - offset, h);
    case 6:
      return detail::parse_ipv6(p, have - offset, h);
    default:
      return Drop::kMalformed;
  }
}

// An address as one number, which is compared in two instructions; IPv4 as ::ffff:a.b.c.d (RFC 4291
// §2.5.5.2).
inline AddressKey address_key(const std::uint8_t* address, bool v4) {
  if (v4) return AddressKey{0xffff} << 32 | load_be32(address);
  return AddressKey{load_be64(address)} << 64 | load_be64(address + 8);
}
inline AddressKey address_key(const IpAddress& a) { return address_key(a.bytes().data(), a.is_v4()); }

inline IpAddress source_of(const std::uint8_t* ip, bool v4) {
  return *IpAddress::from_bytes(v4 ? Bytes(ip + 12, 4) : Bytes(ip + 8, 16));
}
inline IpAddress destination_of(const std::uint8_t* ip, bool v4) {
  return *IpAddress::from_bytes(v4 ? Bytes(ip + 16, 4) : Bytes(ip + 24, 16));
}

// Traffic class (RFC 2474, RFC 3168) and TTL or hop limit, of both families.
inline std::uint8_t traffic_class(const std::uint8_t* ip, bool v4) {
  return v4 ? ip[1] : static_cast<std::uint8_t>(ip[0] << 4 | ip[1] >> 4);
}
inline std::uint8_t ttl(const std::uint8_t* ip, bool v4) { return v4 ? ip[8] : ip[7]; }

inline void set_ipv4_checksum(std::uint8_t* ip) {
  store_be16(ip + 10, 0);
  store_be16(ip + 10, static_cast<std::uint16_t>(~ipv4_checksum_sum(ip, (ip[0] & 0x0fu) * 4u)));
}

// RFC 1624: the checksum for one 16-bit word that changed. The words are arguments: to read a word whose
// bytes were just written would stall the processor.
inline void update_ipv4_checksum(std::uint8_t* ip, std::uint16_t before, std::uint16_t after) {
  std::uint32_t sum =
      static_cast<std::uint16_t>(~load_be16(ip + 10)) + static_cast<std::uint16_t>(~before) + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  store_be16(ip + 10, static_cast<std::uint16_t>(~sum));
}

// Precondition: ttl() > 1.
inline void decrement_ttl(std::uint8_t* ip, bool v4) {
  if (!v4) {
    --ip[7];
    return;
  }
  const std::uint16_t before = load_be16(ip + 8), after = static_cast<std::uint16_t>(before - 0x100);
  store_be16(ip + 8, after);
  update_ipv4_checksum(ip, before, after);
}

inline void set_ecn(std::uint8_t* ip, bool v4, std::uint8_t ecn) {
  if (v4) {
    const std::uint16_t before = load_be16(ip), after = static_cast<std::uint16_t>((before & ~3u) | ecn);
    store_be16(ip, after);
    update_ipv4_checksum(ip, before, after);
  } else {
    ip[1] = static_cast<std::uint8_t>((ip[1] & ~0x30u) | ecn << 4);
  }
}

}  // namespace simplon::dp

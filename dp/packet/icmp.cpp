// SPDX-License-Identifier: Apache-2.0
#include "dp/packet/icmp.h"

#include <rte_ip.h>

#include <algorithm>

#include "dp/packet/martian.h"

namespace simplon::dp {
namespace {

constexpr unsigned kIcmpBytes = 8, kMostIpv4Error = 576,
                   kMostIpv6Error = 1280;                       // RFC 1812 §4.3.2.3, RFC 4443 §2.4 c
constexpr std::uint16_t kRouterFlag = 0x8000;                   // RFC 4861 §4.4
constexpr std::uint8_t kTtl = 64, kInternetworkControl = 0xc0;  // RFC 1812 §4.3.2.5

// Of a first fragment as well; 0 where nothing follows the header.
std::uint8_t type_of(const std::uint8_t* ip, const Headers& headers) {
  const int at = headers.payload - headers.ip;
  return at < headers.length ? ip[at] : 0;
}

void ipv4_header(std::uint8_t* ip, unsigned total, std::uint16_t id, const IpAddress& from,
                 const IpAddress& to) {
  std::memset(ip, 0, kIpv4Bytes);
  ip[0] = 0x45;
  ip[1] = kInternetworkControl;
  store_be16(ip + 2, static_cast<std::uint16_t>(total));
  store_be16(ip + 4, id);
  ip[8] = kTtl;
  ip[9] = kIcmp;
  std::ranges::copy(from.bytes(), ip + 12);
  std::ranges::copy(to.bytes(), ip + 16);
  set_ipv4_checksum(ip);
}

void ipv6_header(std::uint8_t* ip, unsigned total, const IpAddress& from, const IpAddress& to) {
  std::memset(ip, 0, kIpv6Bytes);
  ip[0] = 0x60;
  store_be16(ip + 4, static_cast<std::uint16_t>(total - kIpv6Bytes));
  ip[6] = kIcmpv6;
  ip[7] = kTtl;
  std::ranges::copy(from.bytes(), ip + 8);
  std::ranges::copy(to.bytes(), ip + 24);
}

std::optional<Quoted> quoted_ipv4(const std::uint8_t* p, unsigned left) {
  const unsigned header = (p[0] & 0x0fu) * 4u;
  if (left < kIpv4Bytes || p[0] >> 4 != 4 || header < kIpv4Bytes || header > left) return std::nullopt;
  Headers h;
  h.v4 = true;
  h.protocol = p[9];
  h.payload = static_cast<std::uint16_t>(header);
  h.length = static_cast<std::uint16_t>(std::min<unsigned>(left, load_be16(p + 2)));
  if (h.length < header) return std::nullopt;
  h.fragment = (load_be16(p + 6) & 0x1fff) != 0;
  if (!h.fragment) detail::ports_at(p + header, h.length - header, h);
  return Quoted{p, h};
}

std::optional<Quoted> quoted_ipv6(const std::uint8_t* p, unsigned left) {
  if (left < kIpv6Bytes || p[0] >> 4 != 6) return std::nullopt;
  const unsigned total = std::min<unsigned>(left, kIpv6Bytes + load_be16(p + 4));
  Headers h;
  if (detail::parse_ipv6_chain(p, total, h) != Drop::kNone) return std::nullopt;
  h.fragment = h.fragment || is_extension_header(h.protocol);
  if (!h.fragment) detail::ports_at(p + h.payload, total - h.payload, h);
  return Quoted{p, h};
}

}  // namespace

bool is_icmp_error(const std::uint8_t* ip, const Headers& headers) {
  if (headers.fragment) return false;
  const std::uint8_t type = type_of(ip, headers);
  if (!headers.v4) return headers.protocol == kIcmpv6 && type < kFirstIcmpv6Information;
  return headers.protocol == kIcmp &&
         (type == kIcmpUnreachable || type == kIcmpSourceQuench || type == kIcmpRedirect ||
          type == kIcmpTimeExceeded || type == kIcmpParameterProblem);
}

bool may_be_answered(const std::uint8_t* ip, const Headers& headers, IcmpKind kind) {
  if (headers.fragment || is_icmp_error(ip, headers)) return false;
  if (headers.partial && !headers.v4 && is_extension_header(headers.protocol)) return false;  // who knows
  if (!headers.v4 && headers.protocol == kIcmpv6 && type_of(ip, headers) == kIcmpv6Redirect) return false;
  const bool to_many = is_multicast(destination_of(ip, headers.v4));
  return is_one_host(source_of(ip, headers.v4)) && (!to_many || (!headers.v4 && kind == IcmpKind::kTooBig));
}

rte_mbuf* make_icmp_error(rte_mbuf* about, const Headers& headers, const IcmpRow& row, std::uint16_t mtu,
                          const IpAddress& from, std::uint16_t id) {
  const std::uint8_t* refused = bytes_of(about) + headers.ip;
  const unsigned header = headers.v4 ? kIpv4Bytes : kIpv6Bytes;
  const unsigned most = (headers.v4 ? kMostIpv4Error : kMostIpv6Error) - header - kIcmpBytes;
  const unsigned quote = std::min<unsigned>(headers.length, most), total = header + kIcmpBytes + quote;
  rte_mbuf* m = rte_pktmbuf_alloc(about->pool);
  if (m == nullptr) return nullptr;
  auto* ip = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_append(m, static_cast<std::uint16_t>(total)));
  if (ip == nullptr) {
    rte_pktmbuf_free(m);
    return nullptr;
  }
  std::uint8_t* icmp = ip + header;
  icmp[0] = headers.v4 ? row.type4 : row.type6;
  icmp[1] = headers.v4 ? row.code4 : row.code6;
  store_be16(icmp + 2, 0);
  store_be32(icmp + 4, mtu);  // RFC 1191 §4 has it in the low half
  std::memcpy(icmp + kIcmpBytes, refused, quote);
  const IpAddress to = source_of(refused, headers.v4);
  std::uint16_t sum;
  if (headers.v4) {
    ipv4_header(ip, total, id, from, to);
    sum = static_cast<std::uint16_t>(~rte_raw_cksum(icmp, kIcmpBytes + quote));
  } else {
    ipv6_header(ip, total, from, to);
    sum = rte_ipv6_udptcp_cksum(reinterpret_cast<const rte_ipv6_hdr*>(ip), icmp);
  }
  std::memcpy(icmp + 2, &sum, sizeof sum);
  return m;
}

bool is_neighbour_advertisement(const Headers& headers) {
  return !headers.v4 && headers.protocol == kIcmpv6 && !headers.partial &&
         headers.sport >> 8 == kNeighbourAdvertisement &&
         headers.ip + headers.length >= headers.payload + kIcmpBytes;
}

void set_router_flag(std::uint8_t* icmp) {
  const std::uint16_t before = load_be16(icmp + 4), after = before | kRouterFlag;
  store_be16(icmp + 4, after);
  std::uint32_t sum = static_cast<std::uint16_t>(~load_be16(icmp + 2)) + static_cast<std::uint16_t>(~before) +
                      std::uint32_t{after};  // RFC 1624
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  store_be16(icmp + 2, static_cast<std::uint16_t>(~sum));
}

std::optional<Quoted> quoted_packet(const std::uint8_t* ip, const Headers& headers) {
  const unsigned at = headers.payload - headers.ip + kIcmpBytes;
  if (!is_icmp_error(ip, headers) || at >= headers.length) return std::nullopt;
  const unsigned left = headers.length - at;
  auto quoted = headers.v4 ? quoted_ipv4(ip + at, left) : quoted_ipv6(ip + at, left);
  if (!quoted) return std::nullopt;
  Headers& h = quoted->headers;
  const unsigned ports = h.protocol == kIcmp || h.protocol == kIcmpv6 ? 2 : 4;
  h.fragment = h.fragment || (has_ports(h.protocol) && h.length - h.payload < static_cast<int>(ports));
  return quoted;
}

Flow return_flow(const Quoted& quoted) {
  const Headers& h = quoted.headers;
  return {.source = destination_of(quoted.ip, h.v4),
          .destination = source_of(quoted.ip, h.v4),
          .sport = h.dport,
          .dport = h.sport,
          .protocol = h.protocol,
          .fragment = h.fragment};
}

std::optional<Flow> return_flow_of_error(const std::uint8_t* ip, const Headers& headers) {
  const auto quoted = quoted_packet(ip, headers);
  if (!quoted) return std::nullopt;
  const Flow flow = return_flow(*quoted);
  if (flow.destination != destination_of(ip, headers.v4)) return std::nullopt;
  return flow;
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/packet/l4_checksum.h"

#include <rte_ip.h>

#include <cstring>

#include "dp/base/protocol.h"
#include "dp/packet/packet.h"
#include "dp/packet/vlan.h"

namespace simplon::dp {
namespace {

// Offset of the IP header behind the tags of a frame; 0: it carries no IP.
std::uint16_t ip_offset(const std::uint8_t* frame, unsigned length) {
  std::uint16_t at = kEthernetBytes;
  for (; at + 0u <= length; at += 4) {
    const std::uint16_t type = load_be16(frame + at - 2);
    if (type == kEtherTypeIpv4 || type == kEtherTypeIpv6) return at;
    if (!is_vlan_tag(type)) return 0;
  }
  return 0;
}

// In the byte order of memory.
std::uint16_t pseudo_header_sum(const std::uint8_t* ip, bool v4) {
  if (v4) return rte_ipv4_phdr_cksum(reinterpret_cast<const rte_ipv4_hdr*>(ip), 0);
  return rte_ipv6_phdr_cksum(reinterpret_cast<const rte_ipv6_hdr*>(ip), 0);
}

}  // namespace

void complete_l4_checksum(rte_mbuf* frame) {
  const std::uint16_t at = ip_offset(bytes_of(frame), rte_pktmbuf_data_len(frame));
  Headers h;
  if (at == 0 || parse_ip(frame, at, h) != Drop::kNone || h.partial) return;
  if (h.protocol != kTcp && h.protocol != kUdp) return;
  if (!h.v4 && h.payload != h.ip + kIpv6Bytes) return;  // its pseudo header is not made from the first header
  const unsigned length = h.length - (h.payload - h.ip + 0u);
  if (length < (h.protocol == kTcp ? kTcpBytes : kUdpBytes)) return;
  std::uint8_t* segment = bytes_of(frame) + h.payload;
  std::uint8_t* field = segment + (h.protocol == kTcp ? 16 : 6);
  std::uint16_t sum;
  std::memcpy(&sum, field, sizeof sum);
  if (sum != pseudo_header_sum(bytes_of(frame) + at, h.v4)) return;
  sum = static_cast<std::uint16_t>(~rte_raw_cksum(segment, length));
  if (sum == 0 && h.protocol == kUdp) sum = 0xffff;  // RFC 768: zero would be none
  std::memcpy(field, &sum, sizeof sum);
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/packet/l4_checksum.h"

#include <rte_hash_crc.h>
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

// TCP and UDP: the field holds the sum of the pseudo header. `at`: where the IP header stands.
void complete_sum(rte_mbuf* frame, std::uint16_t at, const Headers& h, unsigned length) {
  if (!h.v4 && h.payload != h.ip + kIpv6Bytes) return;  // its pseudo header is not made from the first header
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

// rte_hash_crc() reads words where they happen to stand.
std::uint32_t crc32c(const std::uint8_t* bytes, unsigned length) {
  std::uint32_t crc = ~0u;
  for (; length >= 8; bytes += 8, length -= 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    crc = rte_hash_crc_8byte(word, crc);
  }
  for (; length != 0; ++bytes, --length) crc = rte_hash_crc_1byte(*bytes, crc);
  return ~crc;
}

// SCTP: the field is zero. It is a CRC32c, least significant byte first (RFC 9260 appendix A), of the packet
// alone.
void complete_crc32c(std::uint8_t* packet, unsigned length) {
  constexpr unsigned kCommonHeader = 12, kField = 8;
  if (length < kCommonHeader || load_be32(packet + kField) != 0) return;
  const std::uint32_t crc = crc32c(packet, length);
  for (unsigned i = 0; i < 4; ++i) packet[kField + i] = static_cast<std::uint8_t>(crc >> (8 * i));
}

}  // namespace

void complete_l4_checksum(rte_mbuf* frame) {
  const std::uint16_t at = ip_offset(bytes_of(frame), rte_pktmbuf_data_len(frame));
  if (at != 0) complete_l4_checksum_at(frame, at);
}

void complete_l4_checksum_at(rte_mbuf* frame, std::uint16_t at) {
  Headers h;
  if (parse_ip(frame, at, h) != Drop::kNone || h.partial) return;
  const unsigned length = h.length - (h.payload - h.ip + 0u);
  if (h.protocol == kTcp || h.protocol == kUdp)
    complete_sum(frame, at, h, length);
  else if (h.protocol == kSctp)
    complete_crc32c(bytes_of(frame) + h.payload, length);
}

}  // namespace simplon::dp

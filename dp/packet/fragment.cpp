// SPDX-License-Identifier: Apache-2.0
#include "dp/packet/fragment.h"

#include <algorithm>

namespace simplon::dp {
namespace {

constexpr std::uint16_t kOffsetMask = 0x1fff;
constexpr unsigned kFragmentHeaderBytes = 8, kMostIpv4Header = 60;

// What stands before the data of the pieces.
struct Header {
  std::array<std::uint8_t, kMostIpv4Header> bytes;
  unsigned size;
};

// RFC 791 §3.1: only options whose first bit is set go into every fragment.
Header later_ipv4_header(const std::uint8_t* ip) {
  Header out{};
  const unsigned length = (ip[0] & 0x0fu) * 4u;
  std::memcpy(out.bytes.data(), ip, kIpv4Bytes);
  out.size = kIpv4Bytes;
  for (unsigned at = kIpv4Bytes; at < length && ip[at] != 0;) {
    const unsigned bytes = ip[at] == 1 || at + 1 == length ? 1u : ip[at + 1];
    if (bytes == 0 || at + bytes > length) break;
    if ((ip[at] & 0x80) != 0) {
      std::memcpy(out.bytes.data() + out.size, ip + at, bytes);
      out.size += bytes;
    }
    at += bytes;
  }
  while (out.size % 4 != 0) out.bytes[out.size++] = 0;  // end of options
  out.bytes[0] = static_cast<std::uint8_t>(0x40 | out.size / 4);
  return out;
}

void complete_ipv4(std::uint8_t* ip, unsigned size, std::uint16_t word) {
  store_be16(ip + 2, static_cast<std::uint16_t>(size));
  store_be16(ip + 6, word);
  set_ipv4_checksum(ip);
}

// The mbuf begins at the IP header and ends with the packet.
void trim_to_packet(rte_mbuf* m, const Headers& headers) {
  m->data_off = static_cast<std::uint16_t>(m->data_off + headers.ip);
  m->data_len = headers.length;
  m->pkt_len = headers.length;
}

void set_length(rte_mbuf* m, unsigned bytes) {
  m->data_len = static_cast<std::uint16_t>(bytes);
  m->pkt_len = bytes;
}

// Buffers for `n` pieces, of which the first is there already.
bool get_buffers(rte_mbuf* m, unsigned n, Fragments& out) {
  if (n > Fragments::kMost || rte_pktmbuf_alloc_bulk(m->pool, out.pieces.data() + 1, n - 1) != 0)
    return false;
  out.pieces[0] = m;
  out.count = n;
  return true;
}

// A header, and `bytes` of the packet's data behind it.
std::uint8_t* fill(rte_mbuf* piece, const Header& header, const std::uint8_t* data, unsigned bytes) {
  set_length(piece, header.size + bytes);
  std::uint8_t* ip = bytes_of(piece);
  std::memcpy(ip, header.bytes.data(), header.size);
  std::memcpy(ip + header.size, data, bytes);
  return ip;
}

// How many pieces of `each` octets hold `bytes`, after a first one of `first`.
unsigned pieces_for(unsigned bytes, unsigned first, unsigned each) {
  return 1 + (bytes - first + each - 1) / each;
}

bool fits(rte_mbuf* m, unsigned mtu) { return RTE_PKTMBUF_HEADROOM + mtu <= m->buf_len; }

}  // namespace

bool fragment_ipv4(rte_mbuf* m, const Headers& headers, std::uint16_t mtu, Fragments& out) {
  std::uint8_t* ip = bytes_of(m) + headers.ip;
  const unsigned length = (ip[0] & 0x0fu) * 4u, data = headers.length - length;
  const Header later = later_ipv4_header(ip);
  if (mtu < kMostIpv4Header + 8 || !fits(m, mtu)) return false;
  const unsigned first = (mtu - length) & ~7u, each = (mtu - later.size) & ~7u;
  if (data <= first || !get_buffers(m, pieces_for(data, first, each), out)) return false;
  const std::uint16_t word = load_be16(ip + 6), more = word & kMoreFragments;
  const unsigned offset = word & kOffsetMask;
  for (unsigned i = 1, at = first; i < out.count; ++i, at += each) {
    const bool last = i + 1 == out.count;
    const unsigned bytes = last ? data - at : each;
    std::uint8_t* piece = fill(out.pieces[i], later, ip + length + at, bytes);
    complete_ipv4(piece, later.size + bytes,
                  static_cast<std::uint16_t>((last ? more : kMoreFragments) | (offset + at / 8)));
  }
  trim_to_packet(m, headers);
  set_length(m, length + first);
  complete_ipv4(ip, length + first, static_cast<std::uint16_t>(kMoreFragments | offset));
  return true;
}

bool fragment_ipv6(rte_mbuf* m, const Headers& headers, std::uint16_t mtu, std::uint32_t id, Fragments& out) {
  std::uint8_t* ip = bytes_of(m) + headers.ip;
  Header header{};
  std::memcpy(header.bytes.data(), ip, kIpv6Bytes);
  header.size = kIpv6Bytes + kFragmentHeaderBytes;
  std::uint8_t* extension = header.bytes.data() + kIpv6Bytes;
  extension[0] = ip[6];
  header.bytes[6] = kIpv6Fragment;
  store_be32(extension + 4, id);
  const unsigned data = headers.length - kIpv6Bytes + 0u;
  if (mtu < header.size + 8 || !fits(m, mtu) || m->data_off + headers.ip < kFragmentHeaderBytes) return false;
  const unsigned each = (mtu - header.size) & ~7u;
  if (data <= each || !get_buffers(m, pieces_for(data, each, each), out)) return false;
  const auto complete = [&](unsigned at, unsigned bytes, bool last) {
    store_be16(header.bytes.data() + 4, static_cast<std::uint16_t>(kFragmentHeaderBytes + bytes));
    store_be16(extension + 2, static_cast<std::uint16_t>(at | (last ? 0u : 1u)));
  };
  for (unsigned i = 1, at = each; i < out.count; ++i, at += each) {
    const bool last = i + 1 == out.count;
    const unsigned bytes = last ? data - at : each;
    complete(at, bytes, last);
    fill(out.pieces[i], header, ip + kIpv6Bytes + at, bytes);
  }
  // The first one's header moves to the front, where the fragment header needs its room.
  trim_to_packet(m, headers);
  m->data_off = static_cast<std::uint16_t>(m->data_off - kFragmentHeaderBytes);
  set_length(m, header.size + each);
  complete(0, each, false);
  std::memcpy(bytes_of(m), header.bytes.data(), header.size);
  return true;
}

}  // namespace simplon::dp

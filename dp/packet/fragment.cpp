// SPDX-License-Identifier: Apache-2.0
#include "dp/packet/fragment.h"

#include <algorithm>
#include <span>

namespace simplon::dp {
namespace {

constexpr std::uint16_t kOffsetMask = 0x1fff;
constexpr unsigned kFragmentHeaderBytes = 8, kMostHeader = 264;

// What stands before the data of the pieces.
struct Header {
  std::array<std::uint8_t, kMostHeader> bytes;
  unsigned size;
};
Header header_of(const std::uint8_t* ip, unsigned size) {
  Header out;
  std::memcpy(out.bytes.data(), ip, size);
  out.size = size;
  return out;
}

// RFC 791 §3.1: only options whose first bit is set go into every fragment.
Header later_ipv4_header(const std::uint8_t* ip) {
  const unsigned length = (ip[0] & 0x0fu) * 4u;
  Header out = header_of(ip, kIpv4Bytes);
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

// A header, and a part of the packet's data behind it.
std::uint8_t* fill(rte_mbuf* piece, const Header& header, std::span<const std::uint8_t> data) {
  const auto bytes = static_cast<std::uint16_t>(header.size + data.size());
  piece->data_len = bytes;
  piece->pkt_len = bytes;
  std::uint8_t* ip = bytes_of(piece);
  std::memcpy(ip, header.bytes.data(), header.size);
  std::memcpy(ip + header.size, data.data(), data.size());
  return ip;
}

// The data in pieces, the first of which has another header than the rest. `complete(ip, size, offset, last)`
// is called for each.
template <class Complete>
bool cut(std::span<const std::uint8_t> data, const Header& first, const Header& later, unsigned mtu,
         rte_mempool* pool, Fragments& out, Complete complete) {
  if (pool == nullptr || mtu < std::max(first.size, later.size) + 8 ||
      RTE_PKTMBUF_HEADROOM + mtu > rte_pktmbuf_data_room_size(pool))
    return false;
  const std::size_t most = (mtu - first.size) & ~7u, each = (mtu - later.size) & ~7u;
  if (data.size() <= most) return false;
  const std::size_t count = 1 + (data.size() - most + each - 1) / each;
  if (count > Fragments::kMost ||
      rte_pktmbuf_alloc_bulk(pool, out.pieces.data(), static_cast<unsigned>(count)) != 0)
    return false;
  out.count = static_cast<unsigned>(count);
  for (std::size_t i = 0, at = 0; i < count; ++i) {
    const Header& header = i == 0 ? first : later;
    const auto part = data.subspan(at, std::min(i == 0 ? most : each, data.size() - at));
    complete(fill(out.pieces[i], header, part), static_cast<unsigned>(header.size + part.size()), at,
             i + 1 == count);
    at += part.size();
  }
  return true;
}

bool cut_ipv4(const std::uint8_t* ip, const Headers& headers, unsigned mtu, rte_mempool* pool,
              Fragments& out) {
  const unsigned length = (ip[0] & 0x0fu) * 4u;
  const std::uint16_t word = load_be16(ip + 6), more = word & kMoreFragments;
  const auto complete = [&](std::uint8_t* piece, unsigned size, std::size_t at, bool last) {
    complete_ipv4(
        piece, size,
        static_cast<std::uint16_t>((last ? more : kMoreFragments) | ((word & kOffsetMask) + at / 8)));
  };
  return cut({ip + length, headers.length - length}, header_of(ip, length), later_ipv4_header(ip), mtu, pool,
             out, complete);
}

// `header` ends with the fragment header.
bool cut_ipv6(std::span<const std::uint8_t> data, const Header& header, unsigned mtu, rte_mempool* pool,
              Fragments& out) {
  const auto complete = [&](std::uint8_t* piece, unsigned size, std::size_t at, bool last) {
    store_be16(piece + 4, static_cast<std::uint16_t>(size - kIpv6Bytes));
    store_be16(piece + header.size - kFragmentHeaderBytes + 2,
               static_cast<std::uint16_t>(at | (last ? 0u : 1u)));
  };
  return cut(data, header, header, mtu, pool, out, complete);
}

// Bytes up to the end of the first fragment header of an IPv6 packet that was parsed; 0: it has none.
unsigned end_of_fragment_header(const std::uint8_t* ip, const Headers& headers) {
  const unsigned end = headers.payload - headers.ip + 0u;
  unsigned at = kIpv6Bytes;
  for (std::uint8_t next = ip[6]; at + kFragmentHeaderBytes <= end;) {
    if (next == kIpv6Fragment) return at + kFragmentHeaderBytes;
    if (!is_extension_header(next)) return 0;
    next = ip[at];
    at += (ip[at + 1] + 1u) * 8u;
  }
  return 0;
}

// What stands in every fragment of an IPv6 packet: what routers on the way read, so all headers up to a
// routing header, or else the hop-by-hop options (RFC 8200 §4.5).
struct PerFragment {
  unsigned bytes = kIpv6Bytes;
  unsigned names = 6;  // where the last of these headers names the next
};
PerFragment per_fragment_headers(const std::uint8_t* ip, const Headers& headers) {
  const unsigned end = headers.payload - headers.ip + 0u;
  PerFragment out;
  std::uint8_t type = ip[6];
  for (unsigned at = kIpv6Bytes; at + 8 <= end;) {
    const unsigned bytes = (ip[at + 1] + 1u) * 8u;
    if (type == kIpv6HopByHop || type == kIpv6Routing) out = {at + bytes, at};
    type = ip[at];
    at += bytes;
  }
  return out;
}

}  // namespace

bool has_fragment_header(const std::uint8_t* ip, const Headers& headers) {
  return !headers.v4 && end_of_fragment_header(ip, headers) != 0;
}

Drop strip_fragment_header(rte_mbuf* m, Headers& headers) {
  const bool reassembled = headers.reassembled;
  std::uint8_t* ip = bytes_of(m) + headers.ip;
  const unsigned end = end_of_fragment_header(ip, headers), at = end - kFragmentHeaderBytes;
  unsigned names = 6;  // where the fragment header is named
  for (unsigned header = kIpv6Bytes; header != at; names = header, header += (ip[header + 1] + 1u) * 8u) {
    if (header > at) return Drop::kMalformed;
  }
  ip[names] = ip[at];
  store_be16(ip + 4, static_cast<std::uint16_t>(load_be16(ip + 4) - kFragmentHeaderBytes));
  std::uint8_t* first = bytes_of(m);
  std::memmove(first + kFragmentHeaderBytes, first, headers.ip + at);
  rte_pktmbuf_adj(m, kFragmentHeaderBytes);
  const Drop bad = parse_ip(m, headers.ip, headers);
  headers.reassembled = reassembled;
  return bad;
}

bool fragment(rte_mbuf* m, const Headers& headers, std::uint16_t mtu, rte_mempool* pool, Fragments& out) {
  const std::uint8_t* ip = bytes_of(m) + headers.ip;
  if (headers.v4) {
    if (!cut_ipv4(ip, headers, mtu, pool, out)) return false;
  } else {
    const unsigned head = end_of_fragment_header(ip, headers);
    if (head == 0 || head > kMostHeader ||
        !cut_ipv6({ip + head, headers.length - head}, header_of(ip, head), mtu, pool, out))
      return false;
  }
  rte_pktmbuf_free(m);
  return true;
}

bool fragment_ipv6(rte_mbuf* m, const Headers& headers, std::uint16_t mtu, std::uint32_t id,
                   rte_mempool* pool, Fragments& out) {
  const std::uint8_t* ip = bytes_of(m) + headers.ip;
  const PerFragment kept = per_fragment_headers(ip, headers);
  if (kept.bytes + kFragmentHeaderBytes > kMostHeader) return false;
  Header header = header_of(ip, kept.bytes);
  std::uint8_t* extension = header.bytes.data() + kept.bytes;
  header.size += kFragmentHeaderBytes;
  std::memset(extension, 0, kFragmentHeaderBytes);
  extension[0] = ip[kept.names];
  header.bytes[kept.names] = kIpv6Fragment;
  store_be32(extension + 4, id);
  if (!cut_ipv6({ip + kept.bytes, headers.length - kept.bytes}, header, mtu, pool, out)) return false;
  rte_pktmbuf_free(m);
  return true;
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/reassembly.h"

#include <algorithm>
#include <cstring>

#include "dp/base/protocol.h"
#include "dp/packet/packet.h"

namespace simplon::dp {
namespace {

// Where the payload begins in a buffer: before it there is room for the header that comes with the first
// fragment, whenever that comes, and for what ESP puts before it.
constexpr std::uint16_t kPayloadAt = RTE_PKTMBUF_HEADROOM + kEthernetBytes + Reassembly::kMostHead;
constexpr std::uint16_t kBehind = 128;
static_assert(kPayloadAt + Reassembly::kMostPayload + kBehind <= Reassembly::kBufferRoom);

constexpr std::uint16_t kIpv4Fragment = 0x3fff, kIpv4MoreFragments = 0x2000, kIpv4Offset = 0x1fff;
constexpr std::uint8_t kNotEct = 1 << 0, kCe = 1 << 3;

}  // namespace

struct Reassembly::Piece {
  unsigned offset = 0, length = 0;
  bool more = false;
  std::uint32_t id = 0;
  std::uint8_t protocol = 0;
  const std::uint8_t* data = nullptr;
  std::uint16_t head = 0;  // bytes of the IP header, with the fragment header of IPv6
};

// False: the fragment contradicts itself. All but the last are multiples of eight bytes long.
bool Reassembly::read_piece(const PacketInfo& packet, Piece& out) {
  const Headers& h = packet.headers;
  const std::uint8_t* ip = bytes_of(packet.m) + h.ip;
  unsigned data = h.payload - h.ip;
  if (h.v4) {
    const std::uint16_t field = load_be16(ip + 6);
    out.offset = (field & kIpv4Offset) * 8u;
    out.more = (field & kIpv4MoreFragments) != 0;
    out.id = load_be16(ip + 4);
    out.protocol = ip[9];
    out.head = static_cast<std::uint16_t>(data);
  } else {
    unsigned at = kIpv6Bytes;
    for (std::uint8_t next = ip[6]; next != kIpv6Fragment; at += (ip[at + 1] + 1u) * 8u)
      next = ip[at];  // parse_ip() went there
    out.offset = load_be16(ip + at + 2) & 0xfff8u;
    out.more = (ip[at + 3] & 1) != 0;
    out.id = load_be32(ip + at + 4);
    out.protocol = ip[at];
    data = at + 8;
    out.head = static_cast<std::uint16_t>(data);
  }
  if (data >= h.length || out.head > kMostHead) return false;
  out.length = h.length - data;
  out.data = ip + data;
  return !out.more || out.length % 8 == 0;
}

Reassembly::Reassembly(rte_mempool* large, rte_mempool* buffers, std::uint64_t second,
                       WorkerCounters& counters)
    : large_(large), buffers_(buffers), second_(second), counters_(counters), datagrams_(kDatagrams) {}

Reassembly::~Reassembly() {
  for (const Datagram& d : datagrams_) rte_pktmbuf_free(d.m);
}

Reassembly::Whole Reassembly::add(const PacketInfo& packet, std::uint64_t way, std::uint64_t now) {
  const Headers& h = packet.headers;
  const std::uint8_t* ip = bytes_of(packet.m) + h.ip;
  Piece piece;
  if (!read_piece(packet, piece)) return drop(packet.m, Drop::kMalformed, counters_), Whole{};
  if (piece.offset + piece.length > kMostPayload) return drop(packet.m, Drop::kTooBig, counters_), Whole{};
  const Key key{.source = address_key(ip + (h.v4 ? 12 : 8), h.v4),
                .destination = address_key(ip + (h.v4 ? 16 : 24), h.v4),
                .way = way,
                .id = piece.id,
                .protocol = piece.protocol,
                .origin = packet.origin,
                .port = packet.origin == Origin::kDecrypted ? PortIndex{} : packet.port};
  Datagram* d = find(key);
  if (d == nullptr) d = make(key, now);
  if (d == nullptr) return drop(packet.m, Drop::kNoBuffer, counters_), Whole{};
  if (is_duplicate(*d, piece)) return drop(packet.m, Drop::kFragmentOverlap, counters_), Whole{};
  ++d->fragments;
  ++waiting_;
  d->largest = std::max(d->largest, h.length);
  if (!fits(*d, piece)) {
    end(*d, Drop::kFragmentOverlap);
    rte_pktmbuf_free(packet.m);
    return {};
  }
  copy(*d, piece, packet);
  rte_pktmbuf_free(packet.m);
  return d->total != 0 && d->received == d->total && d->head != 0 ? finish(*d) : Whole{};
}

// The free places are mostly the last ones, so a look ends when all that are taken were seen.
Reassembly::Datagram* Reassembly::find(const Key& key) {
  unsigned left = count_;
  for (auto d = datagrams_.begin(); left != 0; ++d) {
    if (d->m == nullptr) continue;
    if (d->key == key) return &*d;
    --left;
  }
  return nullptr;
}

// The oldest datagram goes: of this source, if it has its share, else of all.
void Reassembly::make_room(const Key& key) {
  Datagram *oldest = nullptr, *oldest_of_source = nullptr;
  unsigned left = count_, of_source = 0;
  const auto choose = [](Datagram*& oldest, Datagram& d) {
    if (oldest == nullptr || d.since < oldest->since) oldest = &d;
  };
  for (auto d = datagrams_.begin(); left != 0; ++d) {
    if (d->m == nullptr) continue;
    --left;
    choose(oldest, *d);
    if (d->key.source == key.source) ++of_source, choose(oldest_of_source, *d);
  }
  Datagram* const leaves = of_source >= kPerSource ? oldest_of_source
                           : count_ == kDatagrams  ? oldest
                                                   : nullptr;
  if (leaves != nullptr) end(*leaves, Drop::kFragmentLimit);
}

Reassembly::Datagram* Reassembly::make(const Key& key, std::uint64_t now) {
  make_room(key);
  rte_mbuf* m = large_ == nullptr ? nullptr : rte_pktmbuf_alloc(large_);
  if (m == nullptr) return nullptr;
  Datagram& d = *std::ranges::find(datagrams_, nullptr, &Datagram::m);
  d = Datagram{};
  d.m = m;
  d.key = key;
  d.since = now;
  ++count_;
  return &d;
}

// Networks double packets. That ends nothing (RFC 8200 §4.5).
bool Reassembly::is_duplicate(const Datagram& d, const Piece& piece) {
  const unsigned piece_end = piece.offset + piece.length;
  if (!piece.more && piece_end != d.total) return false;
  for (unsigned block = piece.offset / 8; block < (piece_end + 7) / 8; ++block)
    if (!d.blocks.test(block)) return false;
  const auto* there = static_cast<const std::uint8_t*>(d.m->buf_addr) + kPayloadAt + piece.offset;
  return std::memcmp(there, piece.data, piece.length) == 0;
}

// Notes the piece. False: it covers what is there already, or where the datagram ends is not clear.
bool Reassembly::fits(Datagram& d, const Piece& piece) {
  const unsigned piece_end = piece.offset + piece.length;
  d.end = std::max(d.end, piece_end);
  if (!piece.more) {
    if (d.total != 0 && d.total != piece_end) return false;
    d.total = piece_end;
  }
  if (d.total != 0 && d.end > d.total) return false;
  for (unsigned block = piece.offset / 8; block < (piece_end + 7) / 8; ++block) {
    if (d.blocks.test(block)) return false;
    d.blocks.set(block);
  }
  d.received += piece.length;
  return true;
}

void Reassembly::copy(Datagram& d, const Piece& piece, const PacketInfo& packet) {
  const Headers& h = packet.headers;
  auto* buffer = static_cast<std::uint8_t*>(d.m->buf_addr) + kPayloadAt;
  std::memcpy(buffer + piece.offset, piece.data, piece.length);
  const std::uint8_t* ip = bytes_of(packet.m) + h.ip;
  d.ecn |= static_cast<std::uint8_t>(1u << (traffic_class(ip, h.v4) & 3));
  if (piece.offset != 0) return;
  d.head = piece.head;
  // Of what another worker has handed over it is in the headroom.
  d.frame = packet.origin != Origin::kDecrypted ? kEthernetBytes : 0;
  std::memcpy(buffer - d.head, ip, d.head);
  if (d.frame != 0) std::memcpy(buffer - d.head - d.frame, ip - d.frame, d.frame);
  d.m->port = packet.m->port;
}

// The header of the first fragment becomes that of the datagram. Where one fragment met congestion, all did
// (RFC 3168 §5.3).
Reassembly::Whole Reassembly::finish(Datagram& d) {
  if ((d.ecn & kCe) != 0 && (d.ecn & kNotEct) != 0) return end(d, Drop::kEcn), Whole{};
  rte_mbuf* m = d.m;
  const bool v4 = (static_cast<std::uint8_t*>(m->buf_addr)[kPayloadAt - d.head] >> 4) == 4;
  m->data_off = static_cast<std::uint16_t>(kPayloadAt - d.head - d.frame);
  m->data_len = static_cast<std::uint16_t>(d.frame + d.head + d.total);
  m->pkt_len = m->data_len;
  std::uint8_t* ip = bytes_of(m) + d.frame;
  if (v4) {
    store_be16(ip + 2, static_cast<std::uint16_t>(d.head + d.total));
    store_be16(ip + 6, static_cast<std::uint16_t>(load_be16(ip + 6) & ~kIpv4Fragment));
    set_ipv4_checksum(ip);
  } else {
    store_be16(ip + 4, static_cast<std::uint16_t>(d.head - kIpv6Bytes + d.total));
    store_be16(ip + d.head - 6, 0);  // of the fragment header: offset and MORE FRAGMENTS
  }
  if ((d.ecn & kCe) != 0) set_ecn(ip, v4, 3);
  counters_.reassembled += d.fragments - 1;
  d.m = nullptr;
  --count_;
  waiting_ -= d.fragments;
  return {in_small_buffer(m), d.frame, d.largest};
}

// The same in a small buffer, if it fits there with what ESP puts behind it and there is one.
rte_mbuf* Reassembly::in_small_buffer(rte_mbuf* m) const {
  if (m->data_len + RTE_PKTMBUF_HEADROOM + kBehind > rte_pktmbuf_data_room_size(buffers_)) return m;
  rte_mbuf* small = rte_pktmbuf_alloc(buffers_);
  if (small == nullptr) return m;
  std::memcpy(rte_pktmbuf_append(small, m->data_len), bytes_of(m), m->data_len);
  small->port = m->port;
  rte_pktmbuf_free(m);
  return small;
}

void Reassembly::end(Datagram& d, Drop reason) {
  counters_.dropped[static_cast<std::size_t>(reason)] += d.fragments;
  waiting_ -= d.fragments;
  rte_pktmbuf_free(d.m);
  d.m = nullptr;
  --count_;
}

void Reassembly::expire_old(std::uint64_t now) {
  checked_ = now;
  for (Datagram& d : datagrams_)
    if (d.m != nullptr && now - d.since > kSeconds * second_) end(d, Drop::kFragmentTimeout);
}

}  // namespace simplon::dp

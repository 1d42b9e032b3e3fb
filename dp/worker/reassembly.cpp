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
static_assert(kPayloadAt + Reassembly::kMostPayload + 128 <= Reassembly::kBufferRoom);  // and behind it

constexpr std::uint16_t kIpv4Fragment = 0x3fff, kIpv4MoreFragments = 0x2000, kIpv4Offset = 0x1fff;
constexpr std::uint8_t kNotEct = 1 << 0, kCe = 1 << 3;

}  // namespace

struct Reassembly::Piece {
  unsigned offset = 0, length = 0;
  bool more = false;
  std::uint32_t id = 0;
  std::uint8_t protocol = 0;
  const std::uint8_t* data = nullptr;
  std::uint16_t head = 0;     // bytes of the IP header without the fragment header
  std::uint16_t next_at = 0;  // IPv6: where in it the number of the header behind it stands
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
    unsigned at = kIpv6Bytes, next_at = 6;
    while (ip[next_at] != kIpv6Fragment) next_at = at, at += (ip[at + 1] + 1u) * 8u;  // parse_ip() went there
    out.offset = load_be16(ip + at + 2) & 0xfff8u;
    out.more = (ip[at + 3] & 1) != 0;
    out.id = load_be32(ip + at + 4);
    out.protocol = ip[at];
    out.head = static_cast<std::uint16_t>(at);
    out.next_at = static_cast<std::uint16_t>(next_at);
    data = at + 8;
  }
  if (data >= h.length || out.head > kMostHead) return false;
  out.length = h.length - data;
  out.data = ip + data;
  return !out.more || out.length % 8 == 0;
}

Reassembly::Reassembly(rte_mempool* large, std::uint64_t second, WorkerCounters& counters)
    : large_(large), second_(second), counters_(counters), datagrams_(kDatagrams) {}

Reassembly::~Reassembly() {
  for (const Datagram& d : datagrams_) rte_pktmbuf_free(d.m);
}

Reassembly::Whole Reassembly::add(const PacketInfo& packet, std::uint32_t way, std::uint64_t now) {
  const Headers& h = packet.headers;
  const std::uint8_t* ip = bytes_of(packet.m) + h.ip;
  Piece piece;
  if (!read_piece(packet, piece)) return drop(packet.m, Drop::kMalformed, counters_), Whole{};
  if (piece.offset + piece.length > kMostPayload) return drop(packet.m, Drop::kTooBig, counters_), Whole{};
  const Key key{.source = address_key(ip + (h.v4 ? 12 : 8), h.v4),
                .destination = address_key(ip + (h.v4 ? 16 : 24), h.v4),
                .id = piece.id,
                .way = way,
                .protocol = piece.protocol,
                .origin = packet.origin};
  Datagram* d = find(key);
  if (d == nullptr) d = make(key, now);
  if (d == nullptr) return drop(packet.m, Drop::kNoBuffer, counters_), Whole{};
  if (is_duplicate(*d, piece)) return drop(packet.m, Drop::kFragmentOverlap, counters_), Whole{};
  ++d->fragments;
  if (!fits(*d, piece)) {
    end(*d, Drop::kFragmentOverlap);
    rte_pktmbuf_free(packet.m);
    return {};
  }
  copy(*d, piece, packet);
  rte_pktmbuf_free(packet.m);
  return d->total != 0 && d->received == d->total && d->head != 0 ? finish(*d) : Whole{};
}

Reassembly::Datagram* Reassembly::find(const Key& key) {
  if (count_ == 0) return nullptr;
  const auto found =
      std::ranges::find_if(datagrams_, [&](const Datagram& d) { return d.m != nullptr && d.key == key; });
  return found == datagrams_.end() ? nullptr : &*found;
}

// The oldest datagram goes: of this source, if it has its share, else of all.
void Reassembly::make_room(const Key& key) {
  const auto is_same = [&](const Datagram& d) { return d.m != nullptr && d.key.source == key.source; };
  const bool share = std::ranges::count_if(datagrams_, is_same) >= kPerSource;
  if (!share && count_ < kDatagrams) return;
  Datagram* oldest = nullptr;
  for (Datagram& d : datagrams_)
    if ((!share || is_same(d)) && (oldest == nullptr || d.since < oldest->since)) oldest = &d;
  end(*oldest, Drop::kFragmentLimit);
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
  d.frame = packet.origin != Origin::kDecrypted && h.ip >= kEthernetBytes ? kEthernetBytes : 0;
  std::memcpy(buffer - d.head, ip, d.head);
  if (d.frame != 0) std::memcpy(buffer - d.head - d.frame, ip - d.frame, d.frame);
  if (!h.v4) (buffer - d.head)[piece.next_at] = piece.protocol;
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
  }
  if ((d.ecn & kCe) != 0) set_ecn(ip, v4, 3);
  counters_.reassembled += d.fragments - 1;
  d.m = nullptr;
  --count_;
  return {m, d.frame};
}

void Reassembly::end(Datagram& d, Drop reason) {
  counters_.dropped[static_cast<std::size_t>(reason)] += d.fragments;
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

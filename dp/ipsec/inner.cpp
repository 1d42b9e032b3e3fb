// SPDX-License-Identifier: Apache-2.0
// What comes out of an SA, when the ICV was good: the packet inside, and whether it is within the SA's
// selectors. One file, so that a tunnel's packet takes one call.
#include <rte_ip.h>

#include <bit>
#include <cstring>

#include "dp/ipsec/esp_in.h"
#include "dp/ipsec/transport.h"
#include "dp/packet/icmp.h"

namespace simplon::dp {
namespace {

// RFC 6040 §4.2: the inner ECN field after decapsulation; 4 means that the packet must be dropped.
constexpr std::uint8_t kEcnDrop = 4;
constexpr std::uint8_t kEcn[4][4] = {
    // outer: Not-ECT, ECT(1), ECT(0), CE
    {0, 0, 0, kEcnDrop},  // inner Not-ECT
    {1, 1, 1, 3},         // ECT(1)
    {2, 1, 2, 3},         // ECT(0)
    {3, 3, 3, 3},         // CE
};

bool within(const CompactSelector& c, AddressKey source, AddressKey destination, bool v4) {
  return c.v4 == v4 && c.source_first <= source && source <= c.source_last &&
         c.destination_first <= destination && destination <= c.destination_last;
}

bool matches(const CompactSelector& c, AddressKey source, AddressKey destination, const Headers& h) {
  return within(c, source, destination, h.v4) && (c.protocol == kAnyProtocol || c.protocol == h.protocol) &&
         !(h.partial && c.asks_ports) && c.sport_first <= h.sport && h.sport <= c.sport_last &&
         c.dport_first <= h.dport && h.dport <= c.dport_last;
}

bool selected(const InboundSa& sa, AddressKey source, AddressKey destination, const Headers& h) {
  for (unsigned i = 0; i < sa.selector_count; ++i)
    if (matches(sa.selectors[i], source, destination, h)) return true;
  return false;
}

// An OPAQUE port takes what has no ports that could be known: fragments, and protocols without (RFC 4301
// §4.4.1.1).
[[gnu::noinline]] bool selected_opaque(const InboundSa& sa, AddressKey source, AddressKey destination,
                                       const Headers& h) {
  const auto takes = [&](std::uint16_t first, std::uint16_t last, std::uint16_t port) {
    const PortRange range{first, last};
    if (h.partial || !has_ports(h.protocol)) return range.is_any() || range.is_opaque();
    return range.contains(port);
  };
  for (unsigned i = 0; i < sa.selector_count; ++i) {
    const CompactSelector& c = sa.selectors[i];
    if (within(c, source, destination, h.v4) && (c.protocol == kAnyProtocol || c.protocol == h.protocol) &&
        takes(c.sport_first, c.sport_last, h.sport) && takes(c.dport_first, c.dport_last, h.dport))
      return true;
  }
  return false;
}

// Whether a fragment's datagram may be selected, once its ports are known, and its protocol where that stands
// behind another extension header.
[[gnu::noinline]] bool may_be_selected(const InboundSa& sa, AddressKey source, AddressKey destination,
                                       const Headers& h) {
  const bool unknown = is_extension_header(h.protocol) && !h.v4;
  for (unsigned i = 0; i < sa.selector_count; ++i) {
    const CompactSelector& c = sa.selectors[i];
    if (within(c, source, destination, h.v4) && (unknown || !c.protocol || c.protocol == h.protocol))
      return true;
  }
  return false;
}

// RFC 4301 §6.2: an ICMP error that is itself outside the selectors passes where what answers the packet that
// it quotes is inside them. It must go to whom that packet came from: the quotation must not open the way to
// anybody else.
[[gnu::noinline]] bool quotes_selected(const InboundSa& sa, const std::uint8_t* ip, const Headers& inner) {
  const auto flow = return_flow_of_error(ip, inner);
  if (!flow) return false;
  Headers answer;
  answer.v4 = inner.v4;
  answer.protocol = flow->protocol;
  answer.sport = flow->sport;
  answer.dport = flow->dport;
  answer.partial = flow->fragment;
  const AddressKey source = address_key(flow->source), destination = address_key(flow->destination);
  return selected(sa, source, destination, answer) || selected_opaque(sa, source, destination, answer);
}

// Whether the `pad` octets before `trailer` are 1, 2, 3, … (RFC 4303 §2.4). Sixteen octets are compared at
// once. They can always be read, since at least the headers stand there; those before the padding are shifted
// out (the machine is little-endian: the last octet is the highest).
bool is_padding(const std::uint8_t* trailer, unsigned pad) {
  __extension__ using Octets = unsigned __int128;
  static_assert(std::endian::native == std::endian::little);
  for (; pad > kPadding.size(); --pad, --trailer)
    if (trailer[-1] != pad) return false;
  if (pad == 0) return true;
  Octets have, want;
  std::memcpy(&have, trailer - sizeof have, sizeof have);
  std::memcpy(&want, kPadding.data(), sizeof want);
  const unsigned other = 8 * (sizeof have - pad);
  return (have ^ want << other) >> other == 0;
}

// The trailer of ESP, when the ICV was good.
struct Trailer {
  unsigned length;  // of the payload, without it
  std::uint8_t next;
  Drop bad;
};

[[gnu::always_inline]] inline Trailer read_trailer(rte_mbuf* m, const EspPacket& packet, InboundSa& sa) {
  // Checked again: two packets of one burst may have the same number, and both passed the check before the
  // cryptography.
  if (const Drop bad = check_replay(sa.window, packet.seq); bad != Drop::kNone) return {0, 0, bad};
  sa.window.mark(packet.seq);
  const std::uint8_t* trailer = bytes_of(m) + packet.end - kEspTrailerBytes;
  const unsigned pad = trailer[0], length = packet.end - packet.payload + 0u;
  const std::uint8_t next = trailer[1];
  if (next == kNoNextHeader) return {0, next, Drop::kDummy};
  if (pad + kEspTrailerBytes > length || !is_padding(trailer, pad)) return {0, next, Drop::kBadPadding};
  return {length - pad - kEspTrailerBytes, next, Drop::kNone};
}

// take_inner(), inside the functions that every packet of a tunnel goes through.
[[gnu::always_inline]] inline Drop open_tunnel(rte_mbuf* m, const EspPacket& packet, unsigned length,
                                               std::uint8_t next, InboundSa& sa, Headers& inner) {
  if (next != kIpip && next != kIpv6InIp) return Drop::kBadNextHeader;
  m->data_off = static_cast<std::uint16_t>(m->data_off + packet.payload);
  m->data_len = static_cast<std::uint16_t>(length);
  m->pkt_len = m->data_len;
  if (const Drop bad = parse_ip(m, 0, inner); bad != Drop::kNone) return bad;
  if (inner.v4 != (next == kIpip)) return Drop::kBadNextHeader;
  std::uint8_t* ip = bytes_of(m);
  const std::uint8_t ecn = kEcn[traffic_class(ip, inner.v4) & 3][packet.ecn];
  if (ecn == kEcnDrop) return Drop::kEcn;
  if (ecn != (traffic_class(ip, inner.v4) & 3)) set_ecn(ip, inner.v4, ecn);
  return check_selectors(sa, ip, inner);
}

}  // namespace

Drop take_inner(rte_mbuf* m, const EspPacket& packet, unsigned length, std::uint8_t next, InboundSa& sa,
                Headers& inner) {
  return open_tunnel(m, packet, length, next, sa, inner);
}

namespace {

// RFC 3948 §3.1.2: a NAT has changed the addresses that are a part of the checksum. The ICV has vouched for
// the data.
[[gnu::noinline]] void renew_checksum(std::uint8_t* ip, const Headers& h) {
  const unsigned bytes = h.payload - h.ip + 0u;
  const auto length = static_cast<std::uint16_t>(h.length - bytes);
  std::uint8_t *segment = ip + bytes, *field = nullptr;
  if (h.protocol == kTcp && length >= kTcpBytes) field = segment + 16;
  if (h.protocol == kUdp && length >= kUdpBytes && load_be16(segment + 6) != 0) field = segment + 6;
  if (!h.v4 && h.protocol == kIcmpv6 && length >= 4) field = segment + 2;
  if (field == nullptr) return;
  store_be16(field, 0);
  // Of the pseudo header, whatever stands between it and the segment (RFC 8200 §8.1).
  std::uint32_t sum =
      rte_raw_cksum(ip + (h.v4 ? 12 : 8), h.v4 ? 8 : 32) + 0u + rte_raw_cksum(segment, length);
  sum += rte_cpu_to_be_16(length) + 0u + rte_cpu_to_be_16(h.protocol);
  sum = (sum & 0xffff) + (sum >> 16);
  auto checksum = static_cast<std::uint16_t>(~(sum + (sum >> 16)));
  if (checksum == 0 && h.protocol == kUdp) checksum = 0xffff;  // RFC 768: zero would be none
  std::memcpy(field, &checksum, sizeof checksum);
}

}  // namespace

Drop take_payload(rte_mbuf* m, const EspPacket& packet, unsigned length, std::uint8_t next, InboundSa& sa,
                  Headers& headers) {
  const unsigned bytes = headers.payload - headers.ip + 0u, at = packet.payload - bytes,
                 total = bytes + length;
  const bool udp = headers.protocol == kUdp;
  std::uint8_t* first = bytes_of(m);
  move_header(first + headers.ip, first + at, headers.v4, bytes, {total, next, false});
  m->data_off = static_cast<std::uint16_t>(m->data_off + at);
  m->data_len = static_cast<std::uint16_t>(total);
  m->pkt_len = total;
  if (const Drop bad = parse_ip(m, 0, headers); bad != Drop::kNone) return bad;
  // RFC 4303 §3.3.4, RFC 4302 §3.3.4: only whole packets are protected in transport mode.
  if (headers.partial) return Drop::kMalformed;
  if (udp) renew_checksum(bytes_of(m), headers);
  return check_selectors(sa, bytes_of(m), headers);
}

namespace {

// RFC 4301 §7.2: later fragments could be put over the header of a first one that passed a filter. RFC 3128
// §2.1: one that begins in a TCP header.
bool overlaps_tcp_header(const std::uint8_t* ip, const Headers& inner) {
  return inner.v4 && inner.protocol == kTcp && (load_be16(ip + 6) & 0x1fff) == 1;
}

// Of an SA that has its own way with fragments: whether it carries this one, or this whole packet.
[[gnu::noinline]] Drop check_piece(const InboundSa& sa, const std::uint8_t* ip, const Headers& inner,
                                   AddressKey source, AddressKey destination) {
  const auto is_selected = [&](const Headers& h) {
    return selected(sa, source, destination, h) || selected_opaque(sa, source, destination, h);
  };
  const bool later = sa.fragments == FragmentHandling::kLater;
  bool good = false;
  if (later)
    good = inner.fragment && !overlaps_tcp_header(ip, inner) && is_selected(inner);
  else if (const auto first = with_ports(ip, inner); first && sa.fragments == FragmentHandling::kOwnSa)
    good = is_selected(*first);
  return good ? Drop::kNone : Drop::kSelectorMismatch;
}

bool has_own_way(const InboundSa& sa, const Headers& inner) {
  switch (sa.fragments) {
    case FragmentHandling::kReassemble:
    case FragmentHandling::kAny:
    case FragmentHandling::kAlso:
      return false;
    case FragmentHandling::kOwnSa:
    case FragmentHandling::kDrop:
      return inner.partial;
    case FragmentHandling::kLater:
      return true;
  }
  return false;
}

}  // namespace

Drop check_selectors(const InboundSa& sa, const std::uint8_t* ip, const Headers& inner) {
  const AddressKey source = address_key(ip + (inner.v4 ? 12 : 8), inner.v4),
                   destination = address_key(ip + (inner.v4 ? 16 : 24), inner.v4);
  if (selected(sa, source, destination, inner)) return Drop::kNone;
  if (has_own_way(sa, inner)) return check_piece(sa, ip, inner, source, destination);
  if (selected_opaque(sa, source, destination, inner)) return Drop::kNone;
  if (inner.partial)
    return may_be_selected(sa, source, destination, inner) ? Drop::kFragment : Drop::kSelectorMismatch;
  return quotes_selected(sa, ip, inner) ? Drop::kNone : Drop::kSelectorMismatch;
}

namespace {

// Inbound: the peer's side is the source.
void add_pair(const TrafficSelector& r, const TrafficSelector& l, bool no_fragments, InboundSa& sa) {
  if (r.addresses.first.family() != l.addresses.first.family()) return;
  if (r.protocol != l.protocol && r.protocol != kAnyProtocol && l.protocol != kAnyProtocol) return;
  sa.selector_store.push_back({.source_first = address_key(r.addresses.first),
                               .source_last = address_key(r.addresses.last),
                               .destination_first = address_key(l.addresses.first),
                               .destination_last = address_key(l.addresses.last),
                               .sport_first = r.ports.first,
                               .sport_last = r.ports.last,
                               .dport_first = l.ports.first,
                               .dport_last = l.ports.last,
                               .protocol = r.protocol == kAnyProtocol ? l.protocol : r.protocol,
                               .v4 = r.addresses.first.is_v4(),
                               .asks_ports = !r.ports.is_any() || !l.ports.is_any() || no_fragments});
}

}  // namespace

void set_selectors(const SaSpec& spec, InboundSa& sa) {
  for (const SelectorSet& set : spec.selectors.sets())
    for (const TrafficSelector& r : set.remote)
      for (const TrafficSelector& l : set.local)
        add_pair(r, l, spec.fragments == FragmentHandling::kDrop, sa);
  sa.selectors = sa.selector_store.data();
  sa.selector_count = static_cast<std::uint16_t>(sa.selector_store.size());
}

template <SaMode kMode>
Drop decapsulate_finish(rte_mbuf* m, const EspPacket& packet, InboundSa& sa, Headers& headers) {
  const Trailer trailer = read_trailer(m, packet, sa);
  if (trailer.bad != Drop::kNone) return trailer.bad;
  if constexpr (kMode == SaMode::kTunnel)
    return open_tunnel(m, packet, trailer.length, trailer.next, sa, headers);
  else
    return take_payload(m, packet, trailer.length, trailer.next, sa, headers);
}
template Drop decapsulate_finish<SaMode::kTunnel>(rte_mbuf*, const EspPacket&, InboundSa&, Headers&);
template Drop decapsulate_finish<SaMode::kTransport>(rte_mbuf*, const EspPacket&, InboundSa&, Headers&);

Drop decapsulate_aggfrag(rte_mbuf* m, const EspPacket& packet, InboundSa& sa, Headers& headers) {
  const Trailer trailer = read_trailer(m, packet, sa);
  if (trailer.bad != Drop::kNone) return trailer.bad;
  if (trailer.next != kAggfrag) return Drop::kBadNextHeader;
  headers.payload = packet.payload;
  headers.length = static_cast<std::uint16_t>(trailer.length);
  return Drop::kNone;
}

}  // namespace simplon::dp

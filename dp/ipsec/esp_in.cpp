// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/esp_in.h"

#include <cstring>

#include "dp/packet/icmp.h"

namespace simplon::dp {
namespace {

constexpr unsigned kTrailerBytes = 2;

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

Drop check_replay(const ReplayWindow& window, std::uint64_t seq) {
  switch (window.check(seq)) {
    case ReplayWindow::Verdict::kReplayed:
      return Drop::kReplayed;
    case ReplayWindow::Verdict::kTooOld:
      return Drop::kTooOld;
    case ReplayWindow::Verdict::kFresh:
      break;
  }
  return Drop::kNone;
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

bool selected(const InboundSa& sa, AddressKey source, AddressKey destination, const Headers& h) {
  for (unsigned i = 0; i < sa.selector_count; ++i)
    if (matches(sa.selectors[i], source, destination, h)) return true;
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
  return selected(sa, address_key(flow->source), address_key(flow->destination), answer);
}

// RFC 4303 §2.2.1: the high half is authenticated. False: there is no room for it.
[[gnu::noinline]] bool set_extended_sequence(rte_mbuf* m, const InboundSa& sa, std::uint64_t seq,
                                             CryptoJob& job) {
  job.esn = true;
  job.tail = sa.tail;
  store_be32(reinterpret_cast<std::uint8_t*>(&job.high), static_cast<std::uint32_t>(seq >> 32));
  if (sa.tail == 0) return true;
  const auto* buffer_end = static_cast<std::uint8_t*>(m->buf_addr) + m->buf_len;
  if (job.icv + sa.tail + sa.icv > buffer_end) return false;
  std::memmove(job.icv + sa.tail, job.icv, sa.icv);
  std::memcpy(job.icv, &job.high, sizeof job.high);
  job.icv += sa.tail;
  return true;
}

}  // namespace

template <SaKind kKind>
Drop decapsulate_begin(rte_mbuf* m, const Headers& headers, std::uint16_t esp, const InboundSa& sa,
                       EspPacket& packet, CryptoJob& job) {
  const int length = headers.ip + headers.length - esp - kEspBytes - sa.iv - sa.icv;
  if (length < sa.block || length % sa.block != 0) return Drop::kMalformed;
  std::uint8_t* at = bytes_of(m) + esp;
  packet.payload = static_cast<std::uint16_t>(esp + kEspBytes + sa.iv);
  packet.end = static_cast<std::uint16_t>(packet.payload + length);
  packet.ecn = traffic_class(bytes_of(m) + headers.ip, headers.v4) & 3;
  packet.seq = load_be32(at + 4);
  if (sa.esn) [[unlikely]]
    packet.seq = sa.window.extend(static_cast<std::uint32_t>(packet.seq));
  // Before any cryptography (RFC 4303 §3.4.3). The window moves only in decapsulate_finish().
  if (const Drop bad = check_replay(sa.window, packet.seq); bad != Drop::kNone) return bad;
  job.session = sa.session;
  job.mbuf = m;
  job.esp = at;
  job.payload = static_cast<std::uint16_t>(kEspBytes + sa.iv);
  job.length = static_cast<std::uint16_t>(length);
  job.tail = 0;
  job.esn = false;
  job.icv = at + job.payload + length;
  if (sa.esn) [[unlikely]]
    if (!set_extended_sequence(m, sa, packet.seq, job)) return Drop::kNoBuffer;
  if constexpr (kKind == SaKind::kEspTunnelCounter) {
    std::memcpy(job.nonce.data(), &sa.salt, 4);
    std::memcpy(job.nonce.data() + 4, at + kEspBytes, 8);
  } else if constexpr (kKind == SaKind::kEspTunnelImplicit) {
    std::memcpy(job.nonce.data(), &sa.salt, 4);
    store_be64(job.nonce.data() + 4, packet.seq);
  } else if constexpr (kKind == SaKind::kEspTunnelBlock16) {
    std::memcpy(job.nonce.data(), at + kEspBytes, 16);
  } else if constexpr (kKind == SaKind::kEspTunnelBlock8) {
    std::memcpy(job.nonce.data(), at + kEspBytes, 8);
  }
  return Drop::kNone;
}

template Drop decapsulate_begin<SaKind::kEspTunnelCounter>(rte_mbuf*, const Headers&, std::uint16_t,
                                                           const InboundSa&, EspPacket&, CryptoJob&);
template Drop decapsulate_begin<SaKind::kEspTunnelImplicit>(rte_mbuf*, const Headers&, std::uint16_t,
                                                            const InboundSa&, EspPacket&, CryptoJob&);
template Drop decapsulate_begin<SaKind::kEspTunnelBlock16>(rte_mbuf*, const Headers&, std::uint16_t,
                                                           const InboundSa&, EspPacket&, CryptoJob&);
template Drop decapsulate_begin<SaKind::kEspTunnelBlock8>(rte_mbuf*, const Headers&, std::uint16_t,
                                                          const InboundSa&, EspPacket&, CryptoJob&);
template Drop decapsulate_begin<SaKind::kEspTunnelNoIv>(rte_mbuf*, const Headers&, std::uint16_t,
                                                        const InboundSa&, EspPacket&, CryptoJob&);

Drop decapsulate_finish(rte_mbuf* m, const EspPacket& packet, InboundSa& sa, Headers& inner) {
  // Checked again: two packets of one burst may have the same number, and both passed the check before the
  // cryptography.
  if (const Drop bad = check_replay(sa.window, packet.seq); bad != Drop::kNone) return bad;
  sa.window.mark(packet.seq);
  const std::uint8_t* trailer = bytes_of(m) + packet.end - kTrailerBytes;
  const unsigned pad = trailer[0], length = packet.end - packet.payload + 0u;
  const std::uint8_t next = trailer[1];
  if (next == kNoNextHeader) return Drop::kDummy;
  if (pad + kTrailerBytes > length || !is_padding(trailer, pad)) return Drop::kBadPadding;
  if (next != kIpip && next != kIpv6InIp) return Drop::kBadNextHeader;
  m->data_off = static_cast<std::uint16_t>(m->data_off + packet.payload);
  m->data_len = static_cast<std::uint16_t>(length - pad - kTrailerBytes);
  m->pkt_len = m->data_len;
  if (const Drop bad = parse_ip(m, 0, inner); bad != Drop::kNone) return bad;
  if (inner.v4 != (next == kIpip)) return Drop::kBadNextHeader;
  std::uint8_t* ip = bytes_of(m);
  const std::uint8_t ecn = kEcn[traffic_class(ip, inner.v4) & 3][packet.ecn];
  if (ecn == kEcnDrop) return Drop::kEcn;
  if (ecn != (traffic_class(ip, inner.v4) & 3)) set_ecn(ip, inner.v4, ecn);
  return check_selectors(sa, ip, inner);
}

Drop check_selectors(const InboundSa& sa, const std::uint8_t* ip, const Headers& inner) {
  const AddressKey source = address_key(ip + (inner.v4 ? 12 : 8), inner.v4),
                   destination = address_key(ip + (inner.v4 ? 16 : 24), inner.v4);
  if (selected(sa, source, destination, inner)) return Drop::kNone;
  if (inner.partial)
    return may_be_selected(sa, source, destination, inner) ? Drop::kFragment : Drop::kSelectorMismatch;
  return quotes_selected(sa, ip, inner) ? Drop::kNone : Drop::kSelectorMismatch;
}

// Inbound: the peer's side is the source.
void set_selectors(const SaSpec& spec, InboundSa& sa) {
  for (const TrafficSelector& r : spec.selectors.remote)
    for (const TrafficSelector& l : spec.selectors.local) {
      if (r.addresses.first.family() != l.addresses.first.family()) continue;
      if (r.protocol != l.protocol && r.protocol != kAnyProtocol && l.protocol != kAnyProtocol) continue;
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
                                   .asks_ports = !r.ports.is_any() || !l.ports.is_any()});
    }
  sa.selectors = sa.selector_store.data();
  sa.selector_count = static_cast<std::uint16_t>(sa.selector_store.size());
}

PeerEnd peer_end(const SaSpec& spec) {
  if (!spec.udp || spec.replay_window == 0) return {};
  return {address_key(spec.source), static_cast<std::uint16_t>(spec.udp->source)};
}

void set_peer(const PeerEnd& peer, InboundSa& sa) {
  sa.peer = peer.address;
  sa.peer_port = peer.port;
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/esp_in.h"

#include <cstring>

namespace simplon::dp {
namespace {

// RFC 4303 §2.2.1: the high half is authenticated. False: there is no room for it.
[[gnu::noinline]] bool set_extended_sequence(rte_mbuf* m, const InboundSa& sa, std::uint64_t seq,
                                             CryptoJob& job) {
  set_high_half(job, seq, sa.tail);
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
  constexpr IvKind kIv = iv_kind(kKind);
  if constexpr (kIv == IvKind::kCounter) {
    std::memcpy(job.nonce.data(), &sa.salt, 4);
    std::memcpy(job.nonce.data() + 4, at + kEspBytes, 8);
  } else if constexpr (kIv == IvKind::kImplicit) {
    std::memcpy(job.nonce.data(), &sa.salt, 4);
    store_be64(job.nonce.data() + 4, packet.seq);
  } else if constexpr (kIv == IvKind::kBlock16) {
    std::memcpy(job.nonce.data(), at + kEspBytes, 16);
  } else if constexpr (kIv == IvKind::kBlock8) {
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
template Drop decapsulate_begin<SaKind::kEspAggfragCounter>(rte_mbuf*, const Headers&, std::uint16_t,
                                                            const InboundSa&, EspPacket&, CryptoJob&);
template Drop decapsulate_begin<SaKind::kEspAggfragImplicit>(rte_mbuf*, const Headers&, std::uint16_t,
                                                             const InboundSa&, EspPacket&, CryptoJob&);
template Drop decapsulate_begin<SaKind::kEspAggfragBlock16>(rte_mbuf*, const Headers&, std::uint16_t,
                                                            const InboundSa&, EspPacket&, CryptoJob&);
template Drop decapsulate_begin<SaKind::kEspAggfragBlock8>(rte_mbuf*, const Headers&, std::uint16_t,
                                                           const InboundSa&, EspPacket&, CryptoJob&);
template Drop decapsulate_begin<SaKind::kEspAggfragNoIv>(rte_mbuf*, const Headers&, std::uint16_t,
                                                         const InboundSa&, EspPacket&, CryptoJob&);
template Drop decapsulate_begin<SaKind::kEspTransportCounter>(rte_mbuf*, const Headers&, std::uint16_t,
                                                              const InboundSa&, EspPacket&, CryptoJob&);
template Drop decapsulate_begin<SaKind::kEspTransportImplicit>(rte_mbuf*, const Headers&, std::uint16_t,
                                                               const InboundSa&, EspPacket&, CryptoJob&);
template Drop decapsulate_begin<SaKind::kEspTransportBlock16>(rte_mbuf*, const Headers&, std::uint16_t,
                                                              const InboundSa&, EspPacket&, CryptoJob&);
template Drop decapsulate_begin<SaKind::kEspTransportBlock8>(rte_mbuf*, const Headers&, std::uint16_t,
                                                             const InboundSa&, EspPacket&, CryptoJob&);
template Drop decapsulate_begin<SaKind::kEspTransportNoIv>(rte_mbuf*, const Headers&, std::uint16_t,
                                                           const InboundSa&, EspPacket&, CryptoJob&);

PeerEnd peer_end(const SaSpec& spec) {
  if (!spec.udp || spec.replay_window == 0 || spec.mode == SaMode::kTransport) return {};
  return {address_key(spec.source), static_cast<std::uint16_t>(spec.udp->source)};
}

void set_peer(const PeerEnd& peer, InboundSa& sa) {
  sa.peer = peer.address;
  sa.peer_port = peer.port;
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/esp_out.h"

#include <rte_ip.h>

#include <cstring>

#include "dp/ipsec/ah.h"
#include "dp/ipsec/outer_header.h"
#include "dp/ipsec/transport.h"

namespace simplon::dp {
namespace {

// An IV that must be unpredictable (RFC 3602 §3, RFC 2451 §3) is a unique block, encrypted under the SA's own
// key (NIST SP 800-38A appendix C). The device does that, since the block is given to it as the first of the
// plaintext, with an IV of zeros. `salt` is random there, so that a manual key that is used again after a
// restart does not begin with the IVs that it had before.
constexpr bool enciphers_iv(IvKind kind) { return kind == IvKind::kBlock16 || kind == IvKind::kBlock8; }

template <IvKind kKind>
void set_iv(const OutboundSa& sa, std::uint64_t seq, std::uint8_t* iv, CryptoJob& job) {
  if constexpr (kKind == IvKind::kCounter) store_be64(iv, seq);
  if constexpr (kKind == IvKind::kCounter || kKind == IvKind::kImplicit) {
    std::memcpy(job.nonce.data(), &sa.salt, 4);
    store_be64(job.nonce.data() + 4, seq);
  }
  if constexpr (kKind == IvKind::kBlock16) {
    store_be64(iv, sa.salt);
    store_be64(iv + 8, seq);
  }
  if constexpr (kKind == IvKind::kBlock8) store_be64(iv, seq ^ std::uint64_t{sa.salt} << 32);
  if constexpr (enciphers_iv(kKind)) job.nonce.fill(0);
}

// RFC 4303 §2.2.1. `end`: of the payload, where the ICV would stand without it.
[[gnu::noinline]] void set_extended_sequence(const OutboundSa& sa, std::uint64_t seq, std::uint8_t* end,
                                             CryptoJob& job) {
  set_high_half(job, seq, sa.tail);
  job.icv = end + sa.tail;
  if (sa.tail != 0) std::memcpy(end, &job.high, sizeof job.high);
}

// Where the parts of an ESP packet stand, before it is made.
struct Layout {
  unsigned kept;    // octets of the packet that stay before ESP: in transport mode its IP headers
  unsigned length;  // of what is protected
  unsigned padded;  // with the trailer
  unsigned before;  // octets that are added before it
  unsigned total;   // of the ESP packet
};

// In a tunnel: the outer headers of the template, which the last octets before the IV are of.
inline void put_tunnel_headers(std::uint8_t* inner, const Headers& headers, bool hop, std::uint64_t seq,
                               const OutboundSa& sa, unsigned total) {
  if (hop) decrement_ttl(inner, headers.v4);
  const std::uint8_t tclass = traffic_class(inner, headers.v4);
  std::uint8_t *iv = inner - sa.iv, *outer = iv - sa.header_bytes;
  std::memcpy(iv - sa.header.size(), sa.header.data(), sa.header.size());
  complete_outer_header(outer, sa, inner, tclass, headers.v4, seq, total);
}

// The same of a payload of AGGFRAG, which is of many packets, or none: it has neither DSCP nor ECN of theirs
// (RFC 9347 §2.2.5).
inline void put_payload_headers(std::uint8_t* payload, std::uint64_t seq, const OutboundSa& sa,
                                unsigned total) {
  std::uint8_t *iv = payload - sa.iv, *outer = iv - sa.header_bytes;
  std::memcpy(iv - sa.header.size(), sa.header.data(), sa.header.size());
  complete_outer_header(outer, sa, payload, 0, false, seq, total);
}

// In transport mode: the packet's own headers, and behind them UDP's and ESP's.
inline void put_transport_headers(std::uint8_t* ip, const Headers& headers, bool hop, const OutboundSa& sa,
                                  const Layout& at) {
  std::uint8_t *moved = ip - at.before, *esp = moved + at.kept + sa.header_bytes - kEspBytes;
  move_header(ip, moved, headers.v4, at.kept, {at.total, sa.udp ? kUdp : kEsp, hop});
  std::memcpy(esp, sa.header.data() + sa.header.size() - kEspBytes, kEspBytes);
  if (!sa.udp) return;
  std::uint8_t* udp = esp - kUdpBytes;
  std::memcpy(udp, sa.header.data() + sa.header.size() - kEspBytes - kUdpBytes, kUdpBytes);
  store_be16(udp + 4, static_cast<std::uint16_t>(at.total - at.kept));
}

// Over IPv6. The packet tells in a tunnel: the SA may have moved since it was made. In transport mode an SA
// does not change that.
bool has_udp(const CryptoJob& job, const OutboundSa& sa) {
  if (mode_of(sa.kind) == SaMode::kTransport) return sa.udp;
  return job.esp - bytes_of(job.mbuf) == kIpv6Bytes + kUdpBytes;
}

}  // namespace

template <SaKind kKind>
Drop encapsulate(rte_mbuf* m, const Headers& headers, bool hop, std::uint64_t seq, const OutboundSa& sa,
                 CryptoJob& job) {
  constexpr bool kTransport = mode_of(kKind) == SaMode::kTransport;
  constexpr bool kIvFirst = enciphers_iv(iv_kind(kKind));  // of what is enciphered
  std::uint8_t* ip = bytes_of(m) + headers.ip;
  if constexpr (!is_aggfrag(kKind))
    if (hop && ttl(ip, headers.v4) <= 1) return Drop::kTtlExpired;
  // 1. Is there room for the headers before, and for the trailer and the ICV behind the IP packet? Nothing is
  // written before that is known. Ethernet's padding behind the packet is overwritten.
  Layout at;
  at.kept = kTransport ? headers.payload - headers.ip + 0u : 0;
  at.length = headers.length - at.kept;
  at.padded = (at.length + kEspTrailerBytes + sa.block - 1u) & ~(sa.block - 1u);
  at.before = sa.header_bytes + 0u + sa.iv;
  at.total = at.kept + at.before + at.padded + sa.icv;
  const unsigned pad = at.padded - at.length - kEspTrailerBytes;
  const unsigned room = kTransport ? at.before : sa.header.size() + sa.iv;
  if (m->data_off + headers.ip < room + kEthernetBytes ||
      m->data_off + headers.ip + headers.length + kPadding.size() + kEspTrailerBytes + sa.icv + sa.tail >
          m->buf_len)
    return Drop::kNoBuffer;
  m->data_off = static_cast<std::uint16_t>(m->data_off + headers.ip - at.before);
  m->data_len = static_cast<std::uint16_t>(at.total);
  m->pkt_len = at.total;
  // 2. Padding 1, 2, 3, … (RFC 4303 §2.4), pad length, next header. One store writes all padding there can
  // be; what follows overwrites what is too much.
  std::uint8_t* trailer = ip + headers.length;
  std::memcpy(trailer, kPadding.data(), kPadding.size());
  trailer[pad] = static_cast<std::uint8_t>(pad);
  if constexpr (is_aggfrag(kKind))
    trailer[pad + 1] = kAggfrag;
  else
    trailer[pad + 1] = kTransport ? headers.protocol : headers.v4 ? kIpip : kIpv6InIp;
  // 3. The headers before.
  std::uint8_t *iv = ip + at.kept - sa.iv, *esp = iv - kEspBytes;
  if constexpr (kTransport)
    put_transport_headers(ip, headers, hop, sa, at);
  else if constexpr (is_aggfrag(kKind))
    put_payload_headers(ip, seq, sa, at.total);
  else
    put_tunnel_headers(ip, headers, hop, seq, sa, at.total);
  store_be32(esp + 4, static_cast<std::uint32_t>(seq));
  set_iv<iv_kind(kKind)>(sa, seq, iv, job);
  job.session = sa.session;
  job.mbuf = m;
  job.esp = esp;
  job.payload = static_cast<std::uint16_t>(kEspBytes + (kIvFirst ? 0 : sa.iv));
  job.length = static_cast<std::uint16_t>(at.padded + (kIvFirst ? sa.iv : 0u));
  job.tail = 0;
  job.esn = false;
  job.icv = trailer + pad + kEspTrailerBytes;
  if (sa.esn) [[unlikely]]
    set_extended_sequence(sa, seq, trailer + pad + kEspTrailerBytes, job);
  return Drop::kNone;
}

template Drop encapsulate<SaKind::kEspTunnelCounter>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                     const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspTunnelImplicit>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                      const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspTunnelBlock16>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                     const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspTunnelBlock8>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                    const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspTunnelNoIv>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                  const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspAggfragCounter>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                      const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspAggfragImplicit>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                       const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspAggfragBlock16>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                      const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspAggfragBlock8>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                     const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspAggfragNoIv>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                   const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspTransportCounter>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                        const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspTransportImplicit>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                         const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspTransportBlock16>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                        const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspTransportBlock8>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                       const OutboundSa&, CryptoJob&);
template Drop encapsulate<SaKind::kEspTransportNoIv>(rte_mbuf*, const Headers&, bool, std::uint64_t,
                                                     const OutboundSa&, CryptoJob&);

void encapsulate_finish(const CryptoJob& job, const OutboundSa& sa) {
  if (is_ah(sa.kind)) return ah_finish(job, sa);
  if (sa.tail != 0) std::memmove(job.icv - sa.tail, job.icv, sa.icv);
  if (sa.v4 || !has_udp(job, sa)) return;
  std::uint8_t *ip = bytes_of(job.mbuf), *udp = job.esp - kUdpBytes;
  const auto length = static_cast<std::uint16_t>(ip + rte_pktmbuf_data_len(job.mbuf) - udp);
  // Of the pseudo header of UDP: whatever stands before it (RFC 8200 §8.1).
  std::uint32_t sum = rte_raw_cksum(ip + 8, 32) + 0u + rte_raw_cksum(udp, length);
  sum += rte_cpu_to_be_16(length) + 0u + rte_cpu_to_be_16(kUdp);
  sum = (sum & 0xffff) + (sum >> 16);
  auto checksum = static_cast<std::uint16_t>(~(sum + (sum >> 16)));
  if (checksum == 0) checksum = 0xffff;
  std::memcpy(udp + 6, &checksum, sizeof checksum);
}

}  // namespace simplon::dp

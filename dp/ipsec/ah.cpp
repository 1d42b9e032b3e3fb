// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/ah.h"

#include <cstring>

#include "dp/ipsec/mutable_fields.h"
#include "dp/ipsec/outer_header.h"
#include "dp/ipsec/transport.h"

namespace simplon::dp {
namespace {

// AH may be filled up to 64 bits, over IPv4 too by some (RFC 4302 §2.5).
constexpr unsigned kMostFill = 7;

// What stands before the ICV: GMAC's IV.
unsigned iv_bytes(SaKind kind) { return iv_kind(kind) == IvKind::kCounter ? 8 : 0; }

// What is authenticated: the packet, `total` octets from `ip` on, with IP headers of `headers` octets, and
// the high half of the sequence number behind it (RFC 4302 §2.5.1).
void describe(rte_mbuf* m, std::uint8_t* ip, unsigned headers, unsigned total, std::uint8_t tail,
              std::uint64_t seq, CryptoJob& job) {
  job.mbuf = m;
  job.esp = ip;
  job.payload = static_cast<std::uint16_t>(headers + kAhBytes);
  job.length = static_cast<std::uint16_t>(total - job.payload);
  job.tail = tail;
  job.icv = ip + total + tail;
  if (tail != 0) {
    set_high_half(job, seq, tail);
    std::memcpy(ip + total, &job.high, sizeof job.high);
  }
  job.esn = false;  // that is for who has the high half between SPI and low half
}

}  // namespace

Drop ah_encapsulate(rte_mbuf* m, const Headers& headers, bool hop, std::uint64_t seq, const OutboundSa& sa,
                    CryptoJob& job) {
  const bool transport = mode_of(sa.kind) == SaMode::kTransport;
  std::uint8_t* inner = bytes_of(m) + headers.ip;
  if (hop && ttl(inner, headers.v4) <= 1) return Drop::kTtlExpired;
  const unsigned own = headers.payload - headers.ip + 0u,  // IP headers of the packet
      ip_bytes = transport ? own : sa.ip_bytes, before = sa.header_bytes + 0u + sa.iv,
                 total = before + headers.length;
  if (m->data_off + headers.ip < before + kEthernetBytes ||
      m->data_off + headers.ip + headers.length + sa.tail + sa.icv + ip_bytes > m->buf_len)
    return Drop::kNoBuffer;
  m->data_off = static_cast<std::uint16_t>(m->data_off + headers.ip - before);
  m->data_len = static_cast<std::uint16_t>(total);
  m->pkt_len = total;
  std::uint8_t *ip = bytes_of(m), *ah = ip + ip_bytes;
  const std::uint8_t* end = sa.header.data() + sa.header.size();
  if (transport) {
    move_header(inner, ip, headers.v4, own, {total, kAh, hop});
    std::memcpy(ah, end - kAhBytes, kAhBytes);
  } else {
    if (hop) decrement_ttl(inner, headers.v4);
    std::memcpy(ip, end - sa.header_bytes, sa.header_bytes);
    complete_outer_header(ip, sa, inner, traffic_class(inner, headers.v4), headers.v4, seq, total);
  }
  ah[0] = transport ? headers.protocol : headers.v4 ? kIpip : kIpv6InIp;
  store_be32(ah + 8, static_cast<std::uint32_t>(seq));
  std::memset(ah + kAhBytes, 0, sa.iv);
  job.session = sa.session;
  describe(m, ip, ip_bytes, total, sa.tail, seq, job);
  std::memcpy(job.nonce.data(), &sa.salt, 4);
  store_be64(job.nonce.data() + 4, seq);
  std::memcpy(job.icv + sa.icv, ip, ip_bytes);
  return mask_mutable_fields(ip, sa.v4, ip_bytes, true) ? Drop::kNone : Drop::kMalformed;
}

void ah_finish(const CryptoJob& job, const OutboundSa& sa) {
  std::memcpy(job.esp, job.icv + sa.icv, job.payload - kAhBytes);
  const unsigned iv = iv_bytes(sa.kind);
  std::memcpy(job.esp + job.payload, job.nonce.data() + 4, iv);
  std::memcpy(job.esp + job.payload + iv, job.icv, sa.icv);
}

Drop ah_decapsulate_begin(rte_mbuf* m, const Headers& headers, std::uint16_t ah, const InboundSa& sa,
                          EspPacket& packet, CryptoJob& job) {
  if (headers.protocol != kAh) return Drop::kUnknownSpi;  // ESP to an address that sad_key() has for AH
  std::uint8_t *ip = bytes_of(m) + headers.ip, *at = bytes_of(m) + ah;
  const unsigned ip_bytes = ah - headers.ip + 0u, bytes = (at[1] + 2u) * 4u,
                 end = headers.ip + headers.length, field = sa.iv + 0u + sa.icv;
  if (bytes < kAhBytes + field || bytes > kAhBytes + field + kMostFill || ah + bytes > end)
    return Drop::kMalformed;
  packet.payload = static_cast<std::uint16_t>(ah + bytes);
  packet.end = static_cast<std::uint16_t>(end);
  packet.ecn = traffic_class(ip, headers.v4) & 3;
  packet.seq = load_be32(at + 8);
  if (sa.esn) packet.seq = sa.window.extend(static_cast<std::uint32_t>(packet.seq));
  if (const Drop bad = check_replay(sa.window, packet.seq); bad != Drop::kNone) return bad;
  if (m->data_off + end + sa.tail + sa.icv + ip_bytes > m->buf_len) return Drop::kNoBuffer;
  job.session = sa.session;
  describe(m, ip, ip_bytes, headers.length, sa.tail, packet.seq, job);
  std::memcpy(job.nonce.data(), &sa.salt, 4);
  std::memcpy(job.nonce.data() + 4, at + kAhBytes, sa.iv);
  std::memcpy(job.icv, at + kAhBytes + sa.iv, sa.icv);
  std::memset(at + kAhBytes, 0, field);
  std::memcpy(job.icv + sa.icv, ip, ip_bytes);
  return mask_mutable_fields(ip, headers.v4, ip_bytes, false) ? Drop::kNone : Drop::kMalformed;
}

Drop ah_decapsulate_finish(rte_mbuf* m, const EspPacket& packet, InboundSa& sa, Headers& headers) {
  if (const Drop bad = check_replay(sa.window, packet.seq); bad != Drop::kNone) return bad;
  sa.window.mark(packet.seq);
  const std::uint8_t* kept = bytes_of(m) + packet.end + sa.tail + sa.icv;
  std::memcpy(bytes_of(m) + headers.ip, kept, headers.payload - headers.ip);
  const std::uint8_t next = bytes_of(m)[headers.payload];
  const unsigned length = packet.end - packet.payload + 0u;
  return mode_of(sa.kind) == SaMode::kTunnel ? take_inner(m, packet, length, next, sa, headers)
                                             : take_payload(m, packet, length, next, sa, headers);
}

}  // namespace simplon::dp

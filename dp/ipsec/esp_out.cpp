// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/esp_out.h"

#include <rte_debug.h>
#include <rte_ip.h>
#include <sys/random.h>

#include <algorithm>
#include <cstring>

namespace simplon::dp {
namespace {

constexpr std::uint8_t kOuterTtl = 64;
constexpr unsigned kTrailerBytes = 2;  // pad length, next header

std::uint32_t random_word() {
  std::uint32_t word;
  if (getrandom(&word, sizeof word, 0) != sizeof word) rte_panic("the kernel gives no randomness\n");
  return word;
}

bool asks_ports(const Selectors& selectors) {
  const auto asks = [](const TrafficSelector& s) { return !s.ports.is_any(); };
  return std::ranges::any_of(selectors.local, asks) || std::ranges::any_of(selectors.remote, asks);
}

void ipv4_header(const SaSpec& spec, std::uint8_t* h) {
  h[0] = 0x45;
  if (spec.mtu.df == DfBit::kSet) store_be16(h + 6, kDontFragment);
  h[8] = kOuterTtl;
  h[9] = spec.udp ? kUdp : kEsp;
  std::memcpy(h + 12, spec.source.bytes().data(), 4);
  std::memcpy(h + 16, spec.destination.bytes().data(), 4);
}

void ipv6_header(const SaSpec& spec, std::uint8_t* h) {
  h[0] = 0x60;
  h[6] = spec.udp ? kUdp : kEsp;
  h[7] = kOuterTtl;
  std::memcpy(h + 8, spec.source.bytes().data(), 16);
  std::memcpy(h + 24, spec.destination.bytes().data(), 16);
}

std::uint8_t header_bytes(const SaSpec& spec) {
  const unsigned ip_bytes = spec.destination.is_v4() ? kIpv4Bytes : kIpv6Bytes;
  return static_cast<std::uint8_t>(ip_bytes + (spec.udp ? kUdpBytes : 0) + kEspBytes);
}

// What few SAs need: UDP's length, and DF that is not always set (RFC 4301 §8.1). A packet that a router may
// fragment needs an identification of its own (RFC 6864 §4.3). The sum of what this adds to an IPv4 header.
std::uint32_t complete_more_fields(std::uint8_t* outer, const OutboundSa& sa, const std::uint8_t* inner,
                                   bool inner_v4, std::uint64_t seq, unsigned total) {
  // The UDP checksum stays zero here; over IPv6 set_udp_checksum() sets it.
  if (sa.udp) store_be16(outer + sa.ip_bytes + 4, static_cast<std::uint16_t>(total - sa.ip_bytes));
  if (!sa.v4 || sa.options.df == DfBit::kSet) return 0;
  const auto id = static_cast<std::uint16_t>(identification(sa, seq));
  const bool df = sa.options.df == DfBit::kCopy && (!inner_v4 || (load_be16(inner + 6) & kDontFragment) != 0);
  const std::uint16_t word = df ? kDontFragment : 0;
  store_be16(outer + 4, id);
  store_be16(outer + 6, word);
  return id + 0u + word;
}

// Length, checksum, and the traffic class: DSCP is copied, and ECN (RFC 6040 §4.1, normal mode). `sum`: of
// the fields that are in the header already, but not in sa.outer_sum.
void complete_outer_header(std::uint8_t* outer, const OutboundSa& sa, std::uint8_t tclass, unsigned total,
                           std::uint32_t sum) {
  if (sa.v4) {
    outer[1] = tclass;
    store_be16(outer + 2, static_cast<std::uint16_t>(total));
    sum += sa.outer_sum + tclass + total;
    sum = (sum & 0xffff) + (sum >> 16);
    store_be16(outer + 10, static_cast<std::uint16_t>(~(sum + (sum >> 16))));
  } else {
    outer[0] = static_cast<std::uint8_t>(0x60 | tclass >> 4);
    outer[1] = static_cast<std::uint8_t>(tclass << 4);
    store_be16(outer + 4, static_cast<std::uint16_t>(total - kIpv6Bytes));
  }
}

// An IV that must be unpredictable (RFC 3602 §3, RFC 2451 §3) is a unique block, encrypted under the SA's own
// key (NIST SP 800-38A appendix C). The device does that, since the block is given to it as the first of the
// plaintext, with an IV of zeros. `salt` is random there, so that a manual key that is used again after a
// restart does not begin with the IVs that it had before.
constexpr bool enciphers_iv(SaKind kind) {
  return kind == SaKind::kEspTunnelBlock16 || kind == SaKind::kEspTunnelBlock8;
}

template <SaKind kKind>
void set_iv(const OutboundSa& sa, std::uint64_t seq, std::uint8_t* iv, CryptoJob& job) {
  if constexpr (kKind == SaKind::kEspTunnelCounter) store_be64(iv, seq);
  if constexpr (kKind == SaKind::kEspTunnelCounter || kKind == SaKind::kEspTunnelImplicit) {
    std::memcpy(job.nonce.data(), &sa.salt, 4);
    store_be64(job.nonce.data() + 4, seq);
  }
  if constexpr (kKind == SaKind::kEspTunnelBlock16) {
    store_be64(iv, sa.salt);
    store_be64(iv + 8, seq);
  }
  if constexpr (kKind == SaKind::kEspTunnelBlock8) store_be64(iv, seq ^ std::uint64_t{sa.salt} << 32);
  if constexpr (enciphers_iv(kKind)) job.nonce.fill(0);
}

// RFC 4303 §2.2.1. `end`: of the payload, where the ICV would stand without it.
[[gnu::noinline]] void set_extended_sequence(const OutboundSa& sa, std::uint64_t seq, std::uint8_t* end,
                                             CryptoJob& job) {
  job.esn = true;
  job.tail = sa.tail;
  job.icv = end + sa.tail;
  store_be32(reinterpret_cast<std::uint8_t*>(&job.high), static_cast<std::uint32_t>(seq >> 32));
  if (sa.tail != 0) std::memcpy(end, &job.high, sizeof job.high);
}

}  // namespace

template <SaKind kKind>
Drop encapsulate(rte_mbuf* m, const Headers& headers, bool hop, std::uint64_t seq, const OutboundSa& sa,
                 CryptoJob& job) {
  constexpr bool kIvFirst = enciphers_iv(kKind);  // of what is enciphered
  std::uint8_t* inner = bytes_of(m) + headers.ip;
  if (hop && ttl(inner, headers.v4) <= 1) return Drop::kTtlExpired;
  // 1. Is there room for the headers before, and for the trailer and the ICV behind the IP packet? Nothing is
  // written before that is known. Ethernet's padding behind the packet is overwritten.
  const unsigned length = headers.length,
                 padded = (length + kTrailerBytes + sa.block - 1u) & ~(sa.block - 1u);
  const unsigned pad = padded - length - kTrailerBytes, before = sa.header_bytes + 0u + sa.iv;
  const unsigned total = before + padded + sa.icv;
  if (m->data_off + headers.ip < sa.header.size() + sa.iv + kEthernetBytes ||
      m->data_off + headers.ip + length + kPadding.size() + kTrailerBytes + sa.icv + sa.tail > m->buf_len)
    return Drop::kNoBuffer;
  if (hop) decrement_ttl(inner, headers.v4);
  const std::uint8_t tclass = traffic_class(inner, headers.v4);
  m->data_off = static_cast<std::uint16_t>(m->data_off + headers.ip - before);
  m->data_len = static_cast<std::uint16_t>(total);
  m->pkt_len = total;
  // 2. Padding 1, 2, 3, … (RFC 4303 §2.4), pad length, next header. One store writes all padding there can
  // be; what follows overwrites what is too much.
  std::uint8_t* trailer = inner + length;
  std::memcpy(trailer, kPadding.data(), kPadding.size());
  trailer[pad] = static_cast<std::uint8_t>(pad);
  trailer[pad + 1] = headers.v4 ? kIpip : kIpv6InIp;
  // 3. Outer headers from the template.
  std::uint8_t *iv = inner - sa.iv, *esp = iv - kEspBytes, *outer = iv - sa.header_bytes;
  std::memcpy(iv - sa.header.size(), sa.header.data(), sa.header.size());
  const std::uint32_t sum =
      sa.more_fields ? complete_more_fields(outer, sa, inner, headers.v4, seq, total) : 0;
  complete_outer_header(outer, sa, tclass, total, sum);
  store_be32(esp + 4, static_cast<std::uint32_t>(seq));
  set_iv<kKind>(sa, seq, iv, job);
  job.session = sa.session;
  job.mbuf = m;
  job.esp = esp;
  job.payload = static_cast<std::uint16_t>(kEspBytes + (kIvFirst ? 0 : sa.iv));
  job.length = static_cast<std::uint16_t>(padded + (kIvFirst ? sa.iv : 0u));
  job.tail = 0;
  job.esn = false;
  job.icv = trailer + pad + kTrailerBytes;
  if (sa.esn) [[unlikely]]
    set_extended_sequence(sa, seq, trailer + pad + kTrailerBytes, job);
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

OuterHeader outer_header(const SaSpec& spec) {
  const bool v4 = spec.destination.is_v4();
  const unsigned ip_bytes = v4 ? kIpv4Bytes : kIpv6Bytes;
  OuterHeader out;
  out.destination = spec.destination;
  std::uint8_t* h = out.bytes.data() + out.bytes.size() - header_bytes(spec);
  v4 ? ipv4_header(spec, h) : ipv6_header(spec, h);
  if (spec.udp) {
    store_be16(h + ip_bytes, static_cast<std::uint16_t>(spec.udp->source));
    store_be16(h + ip_bytes + 2, static_cast<std::uint16_t>(spec.udp->destination));
  }
  store_be32(out.bytes.data() + out.bytes.size() - kEspBytes, static_cast<std::uint32_t>(spec.spi));
  if (v4) out.sum = ipv4_checksum_sum(h, kIpv4Bytes);
  return out;
}

void set_outer_header(const OuterHeader& header, OutboundSa& sa) {
  sa.header = header.bytes;
  sa.outer_sum = header.sum;
  sa.destination = header.destination;
  sa.route_generation = 0;  // of no tables: the route is looked up again
}

void make_outer_header(const SaSpec& spec, OutboundSa& sa) {
  sa.v4 = spec.destination.is_v4();
  sa.udp = spec.udp.has_value();
  sa.options = spec.mtu;
  // A fragment has no ports, and its peer could not tell whether the SA is for it (RFC 4301 §7.3).
  if (asks_ports(spec.selectors)) sa.options.fragmentation = Fragmentation::kAfterEsp;
  sa.more_fields = sa.udp || (sa.v4 && spec.mtu.df != DfBit::kSet);
  sa.kind = sa_kind(spec);
  sa.ip_bytes = sa.v4 ? kIpv4Bytes : kIpv6Bytes;
  sa.header_bytes = header_bytes(spec);
  sa.iv = static_cast<std::uint8_t>(spec.suite.iv());
  sa.icv = static_cast<std::uint8_t>(spec.suite.icv());
  sa.block = spec.suite.encr->block;
  sa.esn = spec.esn == Esn::kOn;
  sa.tail = esn_tail(spec);
  sa.after_crypto = sa.tail != 0 || (sa.udp && !sa.v4);
  set_outer_header(outer_header(spec), sa);
  sa.first_identification = random_word();
  sa.salt = spec.suite.encr->counts() ? nonce_salt(spec) : random_word();
}

std::uint16_t inner_mtu(const OutboundSa& sa, std::uint16_t outer) {
  const unsigned around = sa.header_bytes + 0u + sa.iv + sa.icv;
  const unsigned padded = outer <= around ? 0 : (outer - around) & ~(sa.block - 1u);
  return static_cast<std::uint16_t>(padded < kTrailerBytes ? 0 : padded - kTrailerBytes);
}

void encapsulate_finish(const CryptoJob& job, const OutboundSa& sa) {
  if (sa.tail != 0) std::memmove(job.icv - sa.tail, job.icv, sa.icv);
  if (!sa.udp || sa.v4) return;
  std::uint8_t* ip = bytes_of(job.mbuf);
  const std::uint16_t sum = rte_ipv6_udptcp_cksum(reinterpret_cast<const rte_ipv6_hdr*>(ip), ip + kIpv6Bytes);
  std::memcpy(ip + kIpv6Bytes + 6, &sum, sizeof sum);
}

}  // namespace simplon::dp

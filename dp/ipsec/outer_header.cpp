// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/outer_header.h"

#include <rte_debug.h>
#include <sys/random.h>

#include <algorithm>

#include "dp/ipsec/dressing.h"

namespace simplon::dp {
namespace {

std::uint32_t random_word() {
  std::uint32_t word;
  if (getrandom(&word, sizeof word, 0) != sizeof word) rte_panic("the kernel gives no randomness\n");
  return word;
}

bool asks_ports(const Selectors& selectors) {
  const auto asks = [](const TrafficSelector& s) { return !s.ports.is_any(); };
  return std::ranges::any_of(selectors.sets(), [&](const SelectorSet& set) {
    return std::ranges::any_of(set.local, asks) || std::ranges::any_of(set.remote, asks);
  });
}

std::uint8_t protocol_of(const SaSpec& spec) {
  if (spec.protocol == IpsecProtocol::kAh) return kAh;
  return spec.udp ? kUdp : kEsp;
}

void ipv4_header(const SaSpec& spec, std::uint8_t* h) {
  h[0] = 0x45;
  if (spec.mtu.df == DfBit::kSet) store_be16(h + 6, kDontFragment);
  h[8] = spec.tunnel.ttl;
  h[9] = protocol_of(spec);
  std::memcpy(h + 12, spec.source.bytes().data(), 4);
  std::memcpy(h + 16, spec.destination.bytes().data(), 4);
}

void ipv6_header(const SaSpec& spec, std::uint8_t* h) {
  h[0] = 0x60;
  h[6] = protocol_of(spec);
  h[7] = spec.tunnel.ttl;
  std::memcpy(h + 8, spec.source.bytes().data(), 16);
  std::memcpy(h + 24, spec.destination.bytes().data(), 16);
}

unsigned ip_bytes(const SaSpec& spec) { return spec.destination.is_v4() ? kIpv4Bytes : kIpv6Bytes; }

// Of UDP and of the protocol: what is there in either mode.
unsigned protocol_bytes(const SaSpec& spec) {
  if (spec.protocol == IpsecProtocol::kAh) return kAhBytes;
  return (spec.udp ? kUdpBytes : 0u) + kEspBytes;
}

// RFC 4302 §3.3.3.2.1: AH is a multiple of 32 bits over IPv4, of 64 over IPv6. All but its first twelve
// octets: the IV, if there is one, the ICV, and what fills up.
std::uint8_t ah_icv_room(const SaSpec& spec) {
  const unsigned align = spec.destination.is_v4() ? 4 : 8;
  const unsigned bytes = kAhBytes + spec.suite.iv() + spec.suite.icv();
  return static_cast<std::uint8_t>((bytes + align - 1) / align * align - kAhBytes);
}

}  // namespace

unsigned header_bytes(const SaSpec& spec) {
  return protocol_bytes(spec) + (spec.mode == SaMode::kTransport ? 0 : ip_bytes(spec));
}

OuterHeader outer_header(const SaSpec& spec) {
  const bool v4 = spec.destination.is_v4(), ah = spec.protocol == IpsecProtocol::kAh;
  OuterHeader out;
  out.destination = spec.destination;
  out.length = static_cast<std::uint8_t>(header_bytes(spec));
  out.udp = spec.udp.has_value();
  // Of AH the identification is authenticated: it must be there before somebody fragments the packet.
  out.more_fields = out.udp || (v4 && (ah || spec.mtu.df != DfBit::kSet));
  std::uint8_t *end = out.bytes.data() + out.bytes.size(), *protocol = end - protocol_bytes(spec);
  store_be32(end - 8, static_cast<std::uint32_t>(spec.spi));  // of ESP and of AH
  if (spec.udp) {
    store_be16(protocol, static_cast<std::uint16_t>(spec.udp->source));
    store_be16(protocol + 2, static_cast<std::uint16_t>(spec.udp->destination));
  }
  if (ah) protocol[1] = static_cast<std::uint8_t>((kAhBytes + ah_icv_room(spec)) / 4 - 2);  // RFC 4302 §2.2
  if (spec.mode == SaMode::kTransport) return out;
  std::uint8_t* ip = protocol - ip_bytes(spec);
  v4 ? ipv4_header(spec, ip) : ipv6_header(spec, ip);
  if (v4) out.sum = ipv4_checksum_sum(ip, kIpv4Bytes);
  return out;
}

void set_outer_header(const OuterHeader& header, OutboundSa& sa) {
  sa.header = header.bytes;
  sa.outer_sum = header.sum;
  sa.header_bytes = header.length;
  sa.udp = header.udp;
  sa.more_fields = header.more_fields;
  // It stays on: packets of the header before may wait for it.
  if (sa.udp && !sa.v4) sa.after_crypto = true;
  sa.destination = header.destination;
  sa.route_generation = 0;  // of no tables: the route is looked up again
}

void make_outer_header(const SaSpec& spec, OutboundSa& sa) {
  const bool ah = spec.protocol == IpsecProtocol::kAh, transport = spec.mode == SaMode::kTransport;
  sa.v4 = spec.destination.is_v4();
  sa.options = spec.mtu;
  // A fragment has no ports, and its peer could not tell whether the SA is for it, unless it has agreed to
  // find that out (RFC 4301 §7.3). In transport mode only whole packets are protected (RFC 4303 §3.3.4, RFC
  // 4302 §3.3.4).
  const bool whole = asks_ports(spec.selectors) && spec.fragments != FragmentHandling::kAlso;
  if (transport || whole || spec.fragments == FragmentHandling::kDrop)
    sa.options.fragmentation = Fragmentation::kAfterEsp;
  sa.kind = sa_kind(spec);
  if (is_dressed(sa.kind)) sa.dressing = make_dressing(spec);
  sa.ip_bytes = static_cast<std::uint8_t>(ip_bytes(spec));
  sa.iv = ah ? ah_icv_room(spec) : static_cast<std::uint8_t>(spec.suite.iv());
  sa.icv = static_cast<std::uint8_t>(spec.suite.icv());
  sa.block = ah ? 1 : spec.suite.encr->block;
  sa.esn = spec.esn == Esn::kOn;
  sa.tail = esn_tail(spec);
  sa.after_crypto = ah || sa.tail != 0;
  set_outer_header(outer_header(spec), sa);
  sa.first_identification = random_word();
  sa.salt = spec.suite.encr->counts() ? nonce_salt(spec) : random_word();
}

std::uint16_t inner_mtu(const OutboundSa& sa, std::uint16_t outer, unsigned ip_bytes, unsigned header) {
  const unsigned kept = mode_of(sa.kind) == SaMode::kTransport ? ip_bytes : 0,
                 around = kept + header + sa.iv + (is_ah(sa.kind) ? 0u : sa.icv),
                 trailer = is_ah(sa.kind) ? 0 : kEspTrailerBytes;
  const unsigned padded = outer <= around ? 0 : (outer - around) & ~(sa.block - 1u);
  return static_cast<std::uint16_t>(padded < trailer ? 0 : kept + padded - trailer);
}

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/dressing.h"

#include <rte_debug.h>
#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "dp/ipsec/ah.h"
#include "dp/ipsec/esp_out.h"
#include "dp/ipsec/outer_header.h"

namespace simplon::dp {
namespace {

constexpr std::uint32_t kLabelBits = 0xfffff;

// One for all SAs, so that a flow keeps its label when its SA is rekeyed; another one after a restart.
const SipHash::Key& label_key() {
  static const SipHash::Key key = [] {
    SipHash::Key out;
    if (getrandom(out.data(), sizeof out, 0) != sizeof out) rte_panic("the kernel gives no randomness\n");
    return out;
  }();
  return key;
}

std::uint32_t label_of(const Dressing& dressing, const std::uint8_t* inner, const Headers& headers) {
  switch (dressing.flow_label) {
    case FlowLabel::kZero:
      return 0;
    case FlowLabel::kCopy:
      return headers.v4 ? 0 : load_be32(inner) & kLabelBits;
    case FlowLabel::kFlow:
      return flow_label(dressing.key, inner, headers);
  }
  std::unreachable();
}

// What an outer header has of its own.
struct Look {
  std::uint8_t tclass;
  std::uint32_t label;  // of IPv6
};

Look look_of(const OutboundSa& sa, const std::uint8_t* inner, const Headers& headers) {
  const Dressing& dressing = sa.dressing;
  const std::uint8_t tclass = traffic_class(inner, headers.v4), ecn = dressing.clear_ecn ? 0 : tclass & 3;
  return {.tclass = static_cast<std::uint8_t>(dressing.dscp[tclass >> 2] << 2 | ecn),
          .label = sa.v4 ? 0 : label_of(dressing, inner, headers)};
}

// Completes the outer header, which the plain function has made with the inner packet's traffic class.
void dress(std::uint8_t* outer, const OutboundSa& sa, std::uint8_t before, const Look& look) {
  if (!sa.v4) return store_be32(outer, 6u << 28 | std::uint32_t{look.tclass} << 20 | look.label);
  outer[1] = look.tclass;
  update_ipv4_checksum(outer, 0x4500 | before, 0x4500 | look.tclass);
}

// What a dummy repeats. DF of IPv6 counts as set (complete_more_fields()).
void remember(Dressing& dressing, const Look& look, const std::uint8_t* inner, const Headers& headers) {
  dressing.last_length = headers.length;
  dressing.last_tclass = look.tclass;
  dressing.last_label = look.label;
  dressing.last_df = !headers.v4 || (load_be16(inner + 6) & kDontFragment) != 0;
}

// How long a packet of this length is made (RFC 4303 §2.7). One that is too large for the path, which goes in
// outer fragments, is not.
std::uint16_t padded_length(const OutboundSa& sa, std::uint16_t length) {
  const std::uint16_t most = sa.inner_mtu, target = std::min(sa.dressing.tfc, most);  // kTfcMtu is above all
  return std::max(length, target);
}

// Zeros behind the packet: its end is where its IP header says.
bool pad(rte_mbuf* m, const Headers& headers, std::uint16_t length) {
  if (m->data_off + headers.ip + 0u + length > m->buf_len) return false;
  std::memset(bytes_of(m) + headers.ip + headers.length, 0, length - headers.length + 0u);
  return true;
}

Drop encapsulate_plain(rte_mbuf* m, const Headers& headers, bool hop, std::uint64_t seq, const OutboundSa& sa,
                       CryptoJob& job) {
  switch (sa.dressing.iv) {
    case IvKind::kCounter:
      return encapsulate<SaKind::kEspTunnelCounter>(m, headers, hop, seq, sa, job);
    case IvKind::kImplicit:
      return encapsulate<SaKind::kEspTunnelImplicit>(m, headers, hop, seq, sa, job);
    case IvKind::kBlock16:
      return encapsulate<SaKind::kEspTunnelBlock16>(m, headers, hop, seq, sa, job);
    case IvKind::kBlock8:
      return encapsulate<SaKind::kEspTunnelBlock8>(m, headers, hop, seq, sa, job);
    case IvKind::kNone:
      return encapsulate<SaKind::kEspTunnelNoIv>(m, headers, hop, seq, sa, job);
  }
  std::unreachable();
}

}  // namespace

Dressing make_dressing(const SaSpec& spec) {
  const TunnelOptions& options = spec.tunnel;
  return {.iv = iv_kind(*spec.suite.encr),
          .flow_label = options.flow_label,
          .clear_ecn = options.ecn == EcnMode::kCompatibility,
          .tfc = options.tfc,
          .dummies = options.dummies,
          .dscp = options.dscp,
          .key = label_key()};
}

std::uint32_t flow_label(const SipHash::Key& key, const std::uint8_t* inner, const Headers& headers) {
  SipHash hash(key);
  const unsigned first = headers.v4 ? 12 : 8, end = headers.v4 ? 20 : 40;  // both addresses
  for (unsigned at = first; at < end; at += 8) hash.add(load_be64(inner + at));
  hash.add(std::uint64_t{headers.protocol} << 32 | std::uint64_t{headers.sport} << 16 | headers.dport);
  const auto label = static_cast<std::uint32_t>(hash.finish()) & kLabelBits;
  return label == 0 ? 1 : label;
}

// In AH these fields are mutable: the header that travels is kept behind the packet until the ICV is there
// (ah.h).
Drop encapsulate_dressed(rte_mbuf* m, Headers& headers, bool hop, std::uint64_t seq, OutboundSa& sa,
                         CryptoJob& job) {
  const bool ah = is_ah(sa.kind);
  const std::uint8_t* inner = bytes_of(m) + headers.ip;
  // Before anything is written behind the packet, which an ICMP error would quote.
  if (hop && ttl(inner, headers.v4) <= 1) return Drop::kTtlExpired;
  const std::uint8_t tclass = traffic_class(inner, headers.v4);
  if (sa.dressing.tfc != kTfcOff) {
    const std::uint16_t length = padded_length(sa, headers.length);
    if (!pad(m, headers, length)) return Drop::kNoBuffer;
    headers.length = length;
  }
  const Drop bad =
      ah ? ah_encapsulate(m, headers, hop, seq, sa, job) : encapsulate_plain(m, headers, hop, seq, sa, job);
  if (bad != Drop::kNone) return bad;
  const Look look = look_of(sa, inner, headers);
  dress(ah ? job.icv + sa.icv : bytes_of(m), sa, tclass, look);
  if (sa.dressing.dummies != 0) remember(sa.dressing, look, inner, headers);
  return Drop::kNone;
}

// The plain function is given an IPv4 header, of which it copies DF where the SA does.
Drop encapsulate_dummy(rte_mbuf* m, Headers& headers, std::uint64_t seq, OutboundSa& sa, CryptoJob& job) {
  const Dressing& dressing = sa.dressing;
  const std::uint16_t most = sa.inner_mtu,
                      last = dressing.last_length == 0 ? most : std::min(dressing.last_length, most);
  headers = {.payload = kIpv4Bytes, .length = kIpv4Bytes, .protocol = kNoNextHeader, .v4 = true};
  const std::uint16_t length = std::max(padded_length(sa, last), headers.length);
  if (!pad(m, {}, length)) return Drop::kNoBuffer;
  std::uint8_t* inner = bytes_of(m);
  inner[0] = 0x45;
  if (dressing.last_df) store_be16(inner + 6, kDontFragment);
  headers.length = length;
  if (const Drop bad = encapsulate_plain(m, headers, false, seq, sa, job); bad != Drop::kNone) return bad;
  dress(bytes_of(m), sa, 0, {dressing.last_tclass, dressing.last_label});
  job.icv[-1 - (sa.esn ? sa.tail : 0)] = kNoNextHeader;  // RFC 4303 §2.6
  return Drop::kNone;
}

}  // namespace simplon::dp

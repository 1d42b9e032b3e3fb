// SPDX-License-Identifier: Apache-2.0
// What is done to the packets of an SA. Both SA structures carry a kind, and the worker picks the function by
// it once for a run of packets (dp/worker/stage_encapsulate.cpp, stage_decapsulate.cpp).
//
// A new kind is an enumerator, a case in the functions below, and what the functions that are made for each
// kind do differently; the compiler names the places, since no switch has a default.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "dp/base/sa_spec.h"

namespace simplon::dp {

// Of ESP, by where the IV of a packet comes from:
enum class SaKind : std::uint8_t {
  kEspTunnelCounter,   // it is the sequence number (RFC 4106)
  kEspTunnelImplicit,  // and does not stand in the packet (RFC 8750)
  kEspTunnelBlock16,   // one block of the cipher, which must be unpredictable (RFC 3602)
  kEspTunnelBlock8,    // the same of DES and 3DES (RFC 2451)
  kEspTunnelNoIv,      // there is none: the payload is in clear (RFC 2410)
  kEspTunnelDressed,   // outbound, any of these, and more is done (dp/ipsec/dressing.h)
  kEspAggfragCounter,  // a tunnel whose packets are payloads of AGGFRAG (RFC 9347)
  kEspAggfragImplicit,
  kEspAggfragBlock16,
  kEspAggfragBlock8,
  kEspAggfragNoIv,
  kEspTransportCounter,
  kEspTransportImplicit,
  kEspTransportBlock16,
  kEspTransportBlock8,
  kEspTransportNoIv,
  kAhTunnel,
  kAhTransport,
  kAhTunnelCounter,  // with an IV before the ICV, which is the sequence number (RFC 4543 §4)
  kAhTransportCounter,
  kAhTunnelDressed,  // as of ESP
  kAhTunnelDressedCounter,
};

enum class IvKind : std::uint8_t { kCounter, kImplicit, kBlock16, kBlock8, kNone };

constexpr IvKind iv_kind(const Encr& encr) {
  switch (encr.iv_source()) {
    case IvSource::kSequence:
      return IvKind::kCounter;
    case IvSource::kImplicit:
      return IvKind::kImplicit;
    case IvSource::kRandom:
      return encr.iv == 16 ? IvKind::kBlock16 : IvKind::kBlock8;
    case IvSource::kNone:
      return IvKind::kNone;
  }
  std::unreachable();
}

// Of a dressed SA of ESP it stands in its Dressing.
constexpr IvKind iv_kind(SaKind kind) {
  switch (kind) {
    case SaKind::kEspTunnelCounter:
    case SaKind::kEspAggfragCounter:
    case SaKind::kEspTransportCounter:
    case SaKind::kAhTunnelCounter:
    case SaKind::kAhTransportCounter:
    case SaKind::kAhTunnelDressedCounter:
      return IvKind::kCounter;
    case SaKind::kEspTunnelImplicit:
    case SaKind::kEspAggfragImplicit:
    case SaKind::kEspTransportImplicit:
      return IvKind::kImplicit;
    case SaKind::kEspTunnelBlock16:
    case SaKind::kEspAggfragBlock16:
    case SaKind::kEspTransportBlock16:
      return IvKind::kBlock16;
    case SaKind::kEspTunnelBlock8:
    case SaKind::kEspAggfragBlock8:
    case SaKind::kEspTransportBlock8:
      return IvKind::kBlock8;
    case SaKind::kEspTunnelNoIv:
    case SaKind::kEspAggfragNoIv:
    case SaKind::kEspTransportNoIv:
    case SaKind::kEspTunnelDressed:
    case SaKind::kAhTunnel:
    case SaKind::kAhTunnelDressed:
    case SaKind::kAhTransport:
      return IvKind::kNone;
  }
  std::unreachable();
}

constexpr bool is_ah(SaKind kind) { return kind >= SaKind::kAhTunnel; }
constexpr bool is_dressed(SaKind kind) {
  return kind == SaKind::kEspTunnelDressed || kind >= SaKind::kAhTunnelDressed;
}

constexpr bool is_aggfrag(SaKind kind) {
  return kind >= SaKind::kEspAggfragCounter && kind <= SaKind::kEspAggfragNoIv;
}

constexpr SaMode mode_of(SaKind kind) {
  switch (kind) {
    case SaKind::kEspTunnelCounter:
    case SaKind::kEspTunnelImplicit:
    case SaKind::kEspTunnelBlock16:
    case SaKind::kEspTunnelBlock8:
    case SaKind::kEspTunnelNoIv:
    case SaKind::kEspTunnelDressed:
    case SaKind::kEspAggfragCounter:
    case SaKind::kEspAggfragImplicit:
    case SaKind::kEspAggfragBlock16:
    case SaKind::kEspAggfragBlock8:
    case SaKind::kEspAggfragNoIv:
    case SaKind::kAhTunnel:
    case SaKind::kAhTunnelCounter:
    case SaKind::kAhTunnelDressed:
    case SaKind::kAhTunnelDressedCounter:
      return SaMode::kTunnel;
    case SaKind::kEspTransportCounter:
    case SaKind::kEspTransportImplicit:
    case SaKind::kEspTransportBlock16:
    case SaKind::kEspTransportBlock8:
    case SaKind::kEspTransportNoIv:
    case SaKind::kAhTransport:
    case SaKind::kAhTransportCounter:
      return SaMode::kTransport;
  }
  std::unreachable();
}

constexpr SaKind esp_kind(SaMode mode, IvKind iv) {
  const bool tunnel = mode == SaMode::kTunnel;
  switch (iv) {
    case IvKind::kCounter:
      return tunnel ? SaKind::kEspTunnelCounter : SaKind::kEspTransportCounter;
    case IvKind::kImplicit:
      return tunnel ? SaKind::kEspTunnelImplicit : SaKind::kEspTransportImplicit;
    case IvKind::kBlock16:
      return tunnel ? SaKind::kEspTunnelBlock16 : SaKind::kEspTransportBlock16;
    case IvKind::kBlock8:
      return tunnel ? SaKind::kEspTunnelBlock8 : SaKind::kEspTransportBlock8;
    case IvKind::kNone:
      return tunnel ? SaKind::kEspTunnelNoIv : SaKind::kEspTransportNoIv;
  }
  std::unreachable();
}

constexpr SaKind ah_kind(SaMode mode, bool counter) {
  if (mode == SaMode::kTunnel) return counter ? SaKind::kAhTunnelCounter : SaKind::kAhTunnel;
  return counter ? SaKind::kAhTransportCounter : SaKind::kAhTransport;
}

constexpr SaKind aggfrag_kind(IvKind iv) {
  switch (iv) {
    case IvKind::kCounter:
      return SaKind::kEspAggfragCounter;
    case IvKind::kImplicit:
      return SaKind::kEspAggfragImplicit;
    case IvKind::kBlock16:
      return SaKind::kEspAggfragBlock16;
    case IvKind::kBlock8:
      return SaKind::kEspAggfragBlock8;
    case IvKind::kNone:
      return SaKind::kEspAggfragNoIv;
  }
  std::unreachable();
}

// Whether its packets need more than the template of the outer header, which has the TTL, and a copy of the
// traffic class. IPv4 has no flow label.
inline bool is_dressed(const SaSpec& spec) {
  TunnelOptions plain{.ttl = spec.tunnel.ttl};
  if (spec.destination.is_v4()) plain.flow_label = spec.tunnel.flow_label;
  return spec.direction == Direction::kOut && spec.mode == SaMode::kTunnel && spec.tunnel != plain;
}

inline SaKind sa_kind(const SaSpec& spec) {
  const bool dressed = is_dressed(spec), counter = spec.suite.encr->counts();
  switch (spec.protocol) {
    case IpsecProtocol::kEsp:
      if (spec.aggfrag.on) return aggfrag_kind(iv_kind(*spec.suite.encr));
      return dressed ? SaKind::kEspTunnelDressed : esp_kind(spec.mode, iv_kind(*spec.suite.encr));
    case IpsecProtocol::kAh:
      if (dressed) return counter ? SaKind::kAhTunnelDressedCounter : SaKind::kAhTunnelDressed;
      return ah_kind(spec.mode, counter);
  }
  std::unreachable();
}

// The salt as the four octets of CryptoJob::nonce that are before the sequence number: of a salt of three
// octets (AES-CCM) they are the last.
inline std::uint32_t nonce_salt(const SaSpec& spec) {
  const Bytes salt = spec.salt.bytes();
  std::uint32_t out = 0;
  std::memcpy(reinterpret_cast<std::uint8_t*>(&out) + sizeof out - salt.size(), salt.data(), salt.size());
  return out;
}

// See CryptoJob::tail.
constexpr std::uint8_t esn_tail(const SaSpec& spec) {
  const bool in_aad = spec.protocol == IpsecProtocol::kEsp && spec.suite.encr->aead();
  return spec.esn == Esn::kOn && !in_aad ? 4 : 0;
}

// Calls f.operator()<kKind>() for this kind.
template <class F>
constexpr decltype(auto) with_kind(SaKind kind, F&& f) {
  switch (kind) {
    case SaKind::kEspTunnelCounter:
      return f.template operator()<SaKind::kEspTunnelCounter>();
    case SaKind::kEspTunnelImplicit:
      return f.template operator()<SaKind::kEspTunnelImplicit>();
    case SaKind::kEspTunnelBlock16:
      return f.template operator()<SaKind::kEspTunnelBlock16>();
    case SaKind::kEspTunnelBlock8:
      return f.template operator()<SaKind::kEspTunnelBlock8>();
    case SaKind::kEspTunnelNoIv:
      return f.template operator()<SaKind::kEspTunnelNoIv>();
    case SaKind::kEspTunnelDressed:
      return f.template operator()<SaKind::kEspTunnelDressed>();
    case SaKind::kEspAggfragCounter:
      return f.template operator()<SaKind::kEspAggfragCounter>();
    case SaKind::kEspAggfragImplicit:
      return f.template operator()<SaKind::kEspAggfragImplicit>();
    case SaKind::kEspAggfragBlock16:
      return f.template operator()<SaKind::kEspAggfragBlock16>();
    case SaKind::kEspAggfragBlock8:
      return f.template operator()<SaKind::kEspAggfragBlock8>();
    case SaKind::kEspAggfragNoIv:
      return f.template operator()<SaKind::kEspAggfragNoIv>();
    case SaKind::kEspTransportCounter:
      return f.template operator()<SaKind::kEspTransportCounter>();
    case SaKind::kEspTransportImplicit:
      return f.template operator()<SaKind::kEspTransportImplicit>();
    case SaKind::kEspTransportBlock16:
      return f.template operator()<SaKind::kEspTransportBlock16>();
    case SaKind::kEspTransportBlock8:
      return f.template operator()<SaKind::kEspTransportBlock8>();
    case SaKind::kEspTransportNoIv:
      return f.template operator()<SaKind::kEspTransportNoIv>();
    case SaKind::kAhTunnel:
      return f.template operator()<SaKind::kAhTunnel>();
    case SaKind::kAhTransport:
      return f.template operator()<SaKind::kAhTransport>();
    case SaKind::kAhTunnelCounter:
      return f.template operator()<SaKind::kAhTunnelCounter>();
    case SaKind::kAhTransportCounter:
      return f.template operator()<SaKind::kAhTransportCounter>();
    case SaKind::kAhTunnelDressed:
      return f.template operator()<SaKind::kAhTunnelDressed>();
    case SaKind::kAhTunnelDressedCounter:
      return f.template operator()<SaKind::kAhTunnelDressedCounter>();
  }
  std::unreachable();
}

}  // namespace simplon::dp

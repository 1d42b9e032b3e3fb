// SPDX-License-Identifier: Apache-2.0
// What is done to the packets of an SA. Both SA structures carry a kind, and the worker picks the function by
// it once for a run of packets (dp/worker/stage_encapsulate.cpp, stage_decapsulate.cpp).
//
// A new kind is an enumerator, a case in sa_kind() and with_kind(), and what the functions that are made for
// each kind do differently; the compiler names the places, since no switch has a default.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "dp/base/sa_spec.h"

namespace simplon::dp {

enum class SaKind : std::uint8_t {
  kEspTunnelCounter,   // ESP in tunnel mode; the IV is the sequence number (RFC 4106)
  kEspTunnelImplicit,  // and does not stand in the packet (RFC 8750)
  kEspTunnelBlock16,   // the IV is one block of the cipher, and must be unpredictable (RFC 3602)
  kEspTunnelBlock8,    // the same of DES and 3DES (RFC 2451)
  kEspTunnelNoIv,      // the payload is in clear (RFC 2410)
};

constexpr SaKind esp_tunnel_kind(const Encr& encr) {
  switch (encr.iv_source()) {
    case IvSource::kSequence:
      return SaKind::kEspTunnelCounter;
    case IvSource::kImplicit:
      return SaKind::kEspTunnelImplicit;
    case IvSource::kRandom:
      return encr.iv == 16 ? SaKind::kEspTunnelBlock16 : SaKind::kEspTunnelBlock8;
    case IvSource::kNone:
      return SaKind::kEspTunnelNoIv;
  }
  std::unreachable();
}

constexpr SaKind sa_kind(const SaSpec& spec) {
  switch (spec.protocol) {
    case IpsecProtocol::kEsp:
      switch (spec.mode) {
        case SaMode::kTunnel:
          return esp_tunnel_kind(*spec.suite.encr);
        case SaMode::kTransport:
          break;
      }
      break;
    case IpsecProtocol::kAh:
      break;
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
  return spec.esn == Esn::kOn && !spec.suite.encr->aead() ? 4 : 0;
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
  }
  std::unreachable();
}

}  // namespace simplon::dp

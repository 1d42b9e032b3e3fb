// SPDX-License-Identifier: Apache-2.0
// What is done to the packets of an SA. Both SA structures carry a kind, and the worker picks the function by
// it once for a run of packets (dp/worker/stage_encapsulate.cpp, stage_decapsulate.cpp).
//
// A new kind is an enumerator, a case in sa_kind(), and a function in each of the two stages; the compiler
// names the places, since no switch has a default.
#pragma once

#include <cstdint>
#include <utility>

#include "dp/base/sa_spec.h"

namespace simplon::dp {

enum class SaKind : std::uint8_t {
  kEspTunnelAead,  // ESP in tunnel mode; the IV is the sequence number (RFC 4106)
  kEspTunnelCbc,   // the same with a cipher and an HMAC (RFC 3602, RFC 4868)
};

constexpr SaKind sa_kind(const SaSpec& spec) {
  switch (spec.protocol) {
    case IpsecProtocol::kEsp:
      switch (spec.mode) {
        case SaMode::kTunnel:
          return spec.suite.encr->aead() ? SaKind::kEspTunnelAead : SaKind::kEspTunnelCbc;
      }
  }
  std::unreachable();
}

}  // namespace simplon::dp

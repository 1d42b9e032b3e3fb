// SPDX-License-Identifier: Apache-2.0
// The back ends, and which of them serves which suite. (The kernel is one more, elsewhere: ctrl/backend/.)
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/suite.h"

namespace simplon::dp {

enum class CryptoBackend : std::uint8_t {
  kDirect,  // IPsec-MB, called by the worker itself
  kCpu,     // a DPDK crypto device, by its synchronous calls
  kQueue,   // a DPDK crypto device, by its queues: the only way to an accelerator
};
inline constexpr std::array<std::string_view, 3> kCryptoBackendNames{"direct", "cpu", "queue"};

constexpr std::string_view name(CryptoBackend backend) {
  return kCryptoBackendNames[static_cast<std::size_t>(backend)];
}
constexpr std::optional<CryptoBackend> find_crypto_backend(std::string_view name) {
  for (std::size_t i = 0; i < kCryptoBackendNames.size(); ++i)
    if (kCryptoBackendNames[i] == name) return static_cast<CryptoBackend>(i);
  return std::nullopt;
}

// Best first: the first that takes the suite serves it. By measurement, whole worker, source and sink
// subtracted, cycles a packet of 64 / 512 / 1420 bytes (EPYC Zen 5, IPsec-MB 1.3, DPDK 22.11):
//
//                                      direct             cpu                queue
//   AES-GCM-128 encrypt, 1 SA          190/290/488        234/316/519        259/349/542
//   AES-GCM-128 decrypt, 1 SA          252/340/530        300/399/567        319/444/594
//   AES-CBC-128 + SHA2-256 encrypt     516/963/1871       566/1059/1967      633/1111/2011
//   AES-CBC-128 + SHA2-256 decrypt     481/857/1620       550/942/1684       608/986/1763
//     encrypt, 1,000 SAs               527/1008/1976      (see device.h)     797/1193/2174
//     decrypt, 1,000 SAs               533/957/1720       (see device.h)     695/1120/1992
//
// The machine was busy and the runs interleaved: what counts are the ratios. Direct is also the one that
// compares ICVs in constant time, whatever the version of DPDK.
using CryptoOrder = std::array<CryptoBackend, 3>;
constexpr CryptoOrder crypto_order(const EspSuite& suite) {
  if (suite.encr->aead()) return {CryptoBackend::kDirect, CryptoBackend::kCpu, CryptoBackend::kQueue};
  return {CryptoBackend::kDirect, CryptoBackend::kQueue, CryptoBackend::kCpu};
}

// The administrator's choice for one suite; there is no other for that suite then.
struct CryptoChoice {
  EspSuite suite;
  CryptoBackend backend{};
  friend bool operator==(const CryptoChoice&, const CryptoChoice&) = default;
};
using CryptoChoices = std::vector<CryptoChoice>;

// Whether IPsec-MB is called directly for it: known without a device. It has no Camellia, and no CCM with
// keys of 192 bits.
constexpr bool direct_takes(const EspSuite& suite) {
  switch (suite.encr->id) {
    case EncrId::kCamelliaCbc:
      return false;
    case EncrId::kAesCcm8:
    case EncrId::kAesCcm12:
    case EncrId::kAesCcm16:
    case EncrId::kAesCcm8Iiv:
      return suite.encr->key != 24;
    case EncrId::kDes:
    case EncrId::k3Des:
    case EncrId::kNull:
    case EncrId::kAesCbc:
    case EncrId::kAesCtr:
    case EncrId::kAesGcm8:
    case EncrId::kAesGcm12:
    case EncrId::kAesGcm16:
    case EncrId::kAesGcm16Iiv:
    case EncrId::kNullAesGmac:
    case EncrId::kChaCha20Poly1305:
    case EncrId::kChaCha20Poly1305Iiv:
      return true;
  }
  return false;
}

}  // namespace simplon::dp

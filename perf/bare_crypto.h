// SPDX-License-Identifier: Apache-2.0
// What the cryptography alone costs, by each of the ways that a data path could call it: the yardstick beside
// our rows.
#pragma once

#include <cstdint>
#include <string_view>

#include "dp/base/result.h"
#include "dp/base/suite.h"

namespace simplon::perf {

enum class Way : std::uint8_t {
  kAsync,  // cryptodev, enqueue and dequeue bursts
  kCpu,    // cryptodev, rte_cryptodev_sym_cpu_crypto_process
  kBurst,  // IPsec-MB's burst interface, directly
};
std::string_view name(Way way);

// Encrypts bursts of 32 buffers of `bytes` payload with one key, cache-warm, for about `packets` packets.
// Returns TSC cycles a packet. EAL must run with a crypto_aesni_gcm and a crypto_aesni_mb device.
Result<double> bare_crypto(Way way, const EspSuite& suite, unsigned bytes, unsigned packets);

}  // namespace simplon::perf

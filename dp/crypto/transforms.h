// SPDX-License-Identifier: Apache-2.0
// The algorithms as DPDK names them: its column of the table in dp/base/suite.h. No `default:` anywhere, so
// that a new enumerator does not compile before it has an answer here.
#pragma once

#include <rte_cryptodev.h>

#include <array>

#include "dp/base/sa_spec.h"

namespace simplon::dp {

// Where an operation has its IV: behind DPDK's own part. And then what an AEAD authenticates, with ESN.
inline constexpr unsigned kIvOffset = sizeof(rte_crypto_op) + sizeof(rte_crypto_sym_op), kIvRoom = 16,
                          kAadOffset = kIvOffset + kIvRoom, kAadRoom = 16;

// What a device is asked for: an AEAD alone, or a cipher and an authentication in the order of the direction.
// Points to the keys of `sa`.
class Transforms {
 public:
  explicit Transforms(const SaSpec& sa);
  Transforms(const Transforms&) = delete;  // the chain points into itself
  Transforms& operator=(const Transforms&) = delete;
  rte_crypto_sym_xform* first() { return chain_.data(); }
  // Algorithms, and the sizes of keys, IV and ICV.
  bool within(std::uint8_t device) const;

 private:
  void describe(const SaSpec& sa);  // leaves the chain as it is where DPDK has none of it
  void aead(const SaSpec& sa, bool out, rte_crypto_aead_algorithm algorithm);
  void cipher_and_auth(const SaSpec& sa, bool out, rte_crypto_cipher_algorithm algorithm);

  std::array<rte_crypto_sym_xform, 2> chain_{};
};

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// Everything random that IKE needs, from one seed: AES-256 in counter mode. The same seed gives the same
// bytes, so a whole handshake replays in a test; with a seed from the kernel nobody else knows them.
//
// After each answer the next 32 bytes of the stream become the key. So an attacker who reads the memory of
// this process learns nothing of what was given out before (private keys that gave forward secrecy).
#pragma once

#include <array>
#include <memory>

#include "dp/base/secret.h"

namespace simplon::ike {

class Entropy {
 public:
  explicit Entropy(const Secret& seed);  // 32 bytes
  ~Entropy();
  Entropy(Entropy&&) noexcept;

  Buffer bytes(std::size_t n);
  std::uint64_t number();
  std::uint64_t below(std::uint64_t limit) { return limit == 0 ? 0 : number() % limit; }

 private:
  using Key = std::array<std::uint8_t, 32>;
  void rekey(Key& key);

  struct Cipher;
  std::unique_ptr<Cipher> cipher_;
};

}  // namespace simplon::ike

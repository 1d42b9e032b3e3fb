// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 (Aumasson, Bernstein 2012) of whole 64-bit words: a hash with a key. Who does not know the key
// can neither foresee its values nor find two inputs that share one, which a CRC lets anybody do.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace simplon {

class SipHash {
 public:
  using Key = std::array<std::uint64_t, 2>;

  explicit SipHash(const Key& key)
      : a_(key[0] ^ 0x736f6d6570736575),
        b_(key[1] ^ 0x646f72616e646f6d),
        c_(key[0] ^ 0x6c7967656e657261),
        d_(key[1] ^ 0x7465646279746573) {}

  void add(std::uint64_t word) {
    ++words_;
    compress(word);
  }
  std::uint64_t finish() {
    compress(words_ << 59);  // the number of octets, in the highest octet
    c_ ^= 0xff;
    for (int i = 0; i < 4; ++i) round();
    return a_ ^ b_ ^ c_ ^ d_;
  }

 private:
  void compress(std::uint64_t word) {
    d_ ^= word;
    round();
    round();
    a_ ^= word;
  }
  void round() {
    a_ += b_, b_ = std::rotl(b_, 13) ^ a_, a_ = std::rotl(a_, 32);
    c_ += d_, d_ = std::rotl(d_, 16) ^ c_;
    a_ += d_, d_ = std::rotl(d_, 21) ^ a_;
    c_ += b_, b_ = std::rotl(b_, 17) ^ c_, c_ = std::rotl(c_, 32);
  }

  std::uint64_t a_, b_, c_, d_, words_ = 0;
};

}  // namespace simplon

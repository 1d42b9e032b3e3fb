// SPDX-License-Identifier: Apache-2.0
// OpenSSL lives here.
#include "ike/crypto/entropy.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace simplon::ike {
namespace {

// Zeros in place of random bytes would go unnoticed: no gateway is better than one with known keys.
void must(int done) {
  if (done != 1) std::abort();
}

}  // namespace

struct Entropy::Cipher {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  ~Cipher() { EVP_CIPHER_CTX_free(context); }
};

Entropy::Entropy(const Secret& seed) : cipher_(std::make_unique<Cipher>()) {
  Key key{};
  std::copy_n(seed.bytes().begin(), std::min(seed.size(), key.size()), key.begin());
  rekey(key);
}
Entropy::~Entropy() = default;
Entropy::Entropy(Entropy&&) noexcept = default;

// The key is wiped: the context holds what is left of it.
void Entropy::rekey(Key& key) {
  const std::array<std::uint8_t, 16> counter{};
  must(EVP_EncryptInit_ex(cipher_->context, EVP_aes_256_ctr(), nullptr, key.data(), counter.data()));
  explicit_bzero(key.data(), key.size());
}

Buffer Entropy::bytes(std::size_t n) {
  Buffer out(n);
  Key next{};
  for (const MutableBytes part : {MutableBytes(out), MutableBytes(next)}) {
    int written = 0;
    if (part.empty()) continue;
    must(EVP_EncryptUpdate(cipher_->context, part.data(), &written, part.data(),
                           static_cast<int>(part.size())));
  }
  rekey(next);
  return out;
}

std::uint64_t Entropy::number() { return load_be64(bytes(8).data()); }

}  // namespace simplon::ike

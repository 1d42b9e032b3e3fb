// OpenSSL lives here.
#include "ike/entropy.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

namespace simplon::ike {

struct Entropy::Cipher {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  ~Cipher() { EVP_CIPHER_CTX_free(context); }
};

Entropy::Entropy(const Secret& seed) : cipher_(std::make_unique<Cipher>()) {
  std::array<std::uint8_t, 32> key{};
  std::copy_n(seed.bytes().begin(), std::min(seed.size(), key.size()), key.begin());
  const std::array<std::uint8_t, 16> counter{};
  EVP_EncryptInit_ex(cipher_->context, EVP_aes_256_ctr(), nullptr, key.data(), counter.data());
  explicit_bzero(key.data(), key.size());
}
Entropy::~Entropy() = default;
Entropy::Entropy(Entropy&&) noexcept = default;

Buffer Entropy::bytes(std::size_t n) {
  Buffer out(n);
  int written = 0;
  EVP_EncryptUpdate(cipher_->context, out.data(), &written, out.data(), static_cast<int>(n));
  return out;
}

std::uint64_t Entropy::number() { return load_be64(bytes(8).data()); }

}  // namespace simplon::ike

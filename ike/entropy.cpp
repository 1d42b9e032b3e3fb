// OpenSSL lives here.
#include "ike/entropy.h"

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
  std::array<std::uint8_t, 32> key{};
  std::copy_n(seed.bytes().begin(), std::min(seed.size(), key.size()), key.begin());
  const std::array<std::uint8_t, 16> counter{};
  must(EVP_EncryptInit_ex(cipher_->context, EVP_aes_256_ctr(), nullptr, key.data(), counter.data()));
  explicit_bzero(key.data(), key.size());
}
Entropy::~Entropy() = default;
Entropy::Entropy(Entropy&&) noexcept = default;

Buffer Entropy::bytes(std::size_t n) {
  Buffer out(n);
  int written = 0;
  must(EVP_EncryptUpdate(cipher_->context, out.data(), &written, out.data(), static_cast<int>(n)));
  return out;
}

std::uint64_t Entropy::number() { return load_be64(bytes(8).data()); }

}  // namespace simplon::ike

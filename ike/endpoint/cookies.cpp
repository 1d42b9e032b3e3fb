// SPDX-License-Identifier: Apache-2.0
#include "ike/endpoint/cookies.h"

#include "ike/crypto/keys.h"

namespace simplon::ike {
namespace {

constexpr std::chrono::seconds kSecretLives{60};

}  // namespace

Buffer Cookies::make(Bytes nonce, const IpAddress& from, std::uint64_t spi_i) const {
  return cookie(secret_.bytes(), version_, nonce, from, spi_i);
}

bool Cookies::good(Bytes shown, Bytes nonce, const IpAddress& from, std::uint64_t spi_i) const {
  if (equal_in_constant_time(shown, make(nonce, from, spi_i))) return true;
  return !old_secret_.empty() &&
         equal_in_constant_time(shown, cookie(old_secret_.bytes(), version_ - 1, nonce, from, spi_i));
}

void Cookies::renew(Entropy& entropy, Now now) {
  if (!since_) since_ = now;
  if (now - *since_ < kSecretLives) return;
  old_secret_ = std::move(secret_);
  secret_ = Secret(entropy.bytes(32));
  ++version_;
  since_ = now;
}

}  // namespace simplon::ike

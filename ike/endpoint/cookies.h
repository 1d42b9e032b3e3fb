// SPDX-License-Identifier: Apache-2.0
// The cookies of a responder under load (RFC 7296 §2.6): we keep no state for an initiator until it returns
// the cookie.
#pragma once

#include <optional>

#include "ike/crypto/entropy.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ike {

class Cookies {
 public:
  explicit Cookies(Entropy& entropy) : secret_(entropy.bytes(32)) {}

  Buffer make(Bytes nonce, const IpAddress& from, std::uint64_t spi_i) const;
  // With the secret of now, or the one before it.
  bool good(Bytes shown, Bytes nonce, const IpAddress& from, std::uint64_t spi_i) const;
  void renew(Entropy& entropy, Now now);  // when it is time

 private:
  Secret secret_, old_secret_;
  std::uint32_t version_ = 1;
  std::optional<Now> since_;
};

}  // namespace simplon::ike

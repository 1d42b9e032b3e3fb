// SPDX-License-Identifier: Apache-2.0
// Key material. Wiped when it dies, compared in constant time, never printed (there is no operator<<, and
// none may be added). Move-only: a copy is a deliberate clone(). Immutable once made, so it may be shared
// between threads.
#pragma once

#include <string.h>  // explicit_bzero

#include <memory>
#include <utility>

#include "dp/base/bytes.h"

namespace simplon {

class Secret {
 public:
  Secret() = default;
  explicit Secret(Bytes from) : bytes_(from.begin(), from.end()) {}
  // Takes the buffer over; the caller keeps no copy.
  explicit Secret(Buffer&& from) : bytes_(std::move(from)) {}
  Secret(Secret&& from) noexcept : bytes_(std::move(from.bytes_)) { from.bytes_.clear(); }
  Secret& operator=(Secret&& from) noexcept {
    if (this != &from) {
      wipe();
      bytes_ = std::move(from.bytes_);
      from.bytes_.clear();
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(); }

  Secret clone() const { return Secret(bytes()); }
  Bytes bytes() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

 private:
  void wipe() {
    if (bytes_.data() != nullptr) explicit_bzero(bytes_.data(), bytes_.size());
    bytes_.clear();
  }

  Buffer bytes_;
};

// True when both are equal; the time taken depends on the lengths alone.
inline bool equal_in_constant_time(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  volatile std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference = difference | (a[i] ^ b[i]);
  return difference == 0;
}

// Key material that several values hold: a copy shares it, the last one wipes it. Equal when the bytes are,
// compared in constant time. Never null; empty by default.
class SharedSecret {
 public:
  SharedSecret() = default;
  SharedSecret(Secret from) : secret_(std::make_shared<const Secret>(std::move(from))) {}  // NOLINT: meant
  Bytes bytes() const { return secret_ ? secret_->bytes() : Bytes{}; }
  std::size_t size() const { return bytes().size(); }
  bool empty() const { return bytes().empty(); }
  friend bool operator==(const SharedSecret& a, const SharedSecret& b) {
    return equal_in_constant_time(a.bytes(), b.bytes());
  }

 private:
  std::shared_ptr<const Secret> secret_;
};

}  // namespace simplon

// A pre-shared key as a value: copies share one Secret, which nobody can change. Two are equal when their
// bytes are, whether they are one Secret or two copies; they are compared in constant time.
#pragma once

#include <memory>
#include <utility>

#include "dp/base/secret.h"

namespace simplon::ike {

class SharedSecret {
 public:
  SharedSecret() = default;  // none
  SharedSecret(std::shared_ptr<const Secret> secret) : secret_(std::move(secret)) {}

  explicit operator bool() const { return secret_ != nullptr; }
  const Secret* operator->() const { return secret_.get(); }
  Bytes bytes() const { return secret_ ? secret_->bytes() : Bytes{}; }

  friend bool operator==(const SharedSecret& a, const SharedSecret& b) {
    return (a == nullptr) == (b == nullptr) && equal_in_constant_time(a.bytes(), b.bytes());
  }
  friend bool operator==(const SharedSecret& a, std::nullptr_t) { return a.secret_ == nullptr; }

 private:
  std::shared_ptr<const Secret> secret_;
};

}  // namespace simplon::ike

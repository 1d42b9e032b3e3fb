// SPDX-License-Identifier: Apache-2.0
// Transforms that we do not have (RFC 7296 §3.3.2), for the log: by the name that IANA's "Internet Key
// Exchange Version 2 (IKEv2) Parameters" give them, and by number.
#pragma once

#include <cstdint>
#include <string>

namespace simplon::ike {

enum class TransformType : std::uint8_t { kEncr = 1, kPrf = 2, kInteg = 3, kKe = 4, kEsn = 5 };

struct Transform {
  TransformType type{};
  std::uint16_t id = 0;
  unsigned key_bits = 0;  // 0: without the attribute

  std::string text() const;  // "3DES (ENCR 3)"; of one that has no name here "ENCR 99"
  friend bool operator==(const Transform&, const Transform&) = default;
};

}  // namespace simplon::ike

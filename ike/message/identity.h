// SPDX-License-Identifier: Apache-2.0
// Identification payload contents (RFC 7296 §3.5) and their text forms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace simplon::ike {

enum class IdType : std::uint8_t { kIpv4 = 1, kFqdn = 2, kEmail = 3, kIpv6 = 5, kKeyId = 11 };

struct Identity {
  IdType type = IdType::kFqdn;
  Buffer data;

  // An IP address, "user@host" (e-mail), "@#hex" (key id), "%any" (matches every peer: empty data), else a
  // domain name.
  static Result<Identity> parse(std::string_view text);
  bool is_any() const { return data.empty(); }
  bool matches(const Identity& other) const { return is_any() || *this == other; }
  // For a table: equal identities have the same. Not to be shown.
  std::string key() const;
  std::string text() const;  // always printable; cut where it becomes long

  // Names without regard to case (RFC 4343); all else octet by octet.
  friend bool operator==(const Identity& a, const Identity& b);
};

}  // namespace simplon::ike

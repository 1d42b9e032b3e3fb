// SPDX-License-Identifier: Apache-2.0
// Identification payload contents (RFC 7296 §3.5) and their text forms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace simplon::ike {

// kNull: nobody (ID_NULL of RFC 7619 §2.2), on the wire without data.
enum class IdType : std::uint8_t {
  kIpv4 = 1,
  kFqdn = 2,
  kEmail = 3,
  kIpv6 = 5,
  kDn = 9,
  kKeyId = 11,
  kNull = 13
};

struct Identity {
  IdType type = IdType::kFqdn;
  Buffer data;

  // An IP address, "user@host" (e-mail), "@#hex" (key id), "C=CH, CN=gw.example" (a distinguished name, see
  // parse_distinguished_name), "%any" (matches every peer: empty data), else a domain name.
  static Result<Identity> parse(std::string_view text);
  // For the peer's identity in a connection, not for what a peer sends. As parse(), and: "*.example.org"
  // (domain names with one or more labels in place of the star), "*@example.org" (e-mail of any user), a
  // distinguished name with "*" in place of whole values.
  static Result<Identity> parse_pattern(std::string_view text);
  bool is_any() const { return data.empty(); }
  // Of an identity that parse_pattern() made; those of parse() are none. What a peer sent may look like one.
  bool is_pattern() const;
  // `other` is taken as it is, never for a pattern: "*.example.org" that a peer sends fits no pattern.
  bool matches(const Identity& other) const;
  // For a table: equal identities have the same, and no others. Not to be shown.
  std::string key() const;
  std::string text() const;  // always printable; cut where it becomes long

  // Names without regard to case (RFC 4343), distinguished names as RFC 5280 §7.1 has it; all else octet by
  // octet.
  friend bool operator==(const Identity& a, const Identity& b);
};

}  // namespace simplon::ike

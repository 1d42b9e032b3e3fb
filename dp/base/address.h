// SPDX-License-Identifier: Apache-2.0
// IP addresses, prefixes, ranges and socket addresses as plain values of both families.
//
// Text forms are the usual ones ("192.0.2.1", "2001:db8::/32", "192.0.2.1-192.0.2.9"); parsing is strict: no
// octal, no host bits below a prefix, no trailing text. Parsing never touches a resolver.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/protocol.h"
#include "dp/base/result.h"

namespace simplon {

enum class Family : std::uint8_t { kV4 = 4, kV6 = 6 };

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static IpAddress v4(std::uint32_t host_order);
  static IpAddress v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d);
  // 4 or 16 bytes in network order; nothing else is an address.
  static std::optional<IpAddress> from_bytes(Bytes bytes);
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress any(Family family);   // all zero bits
  static IpAddress last(Family family);  // all one bits

  Family family() const { return family_; }
  bool is_v4() const { return family_ == Family::kV4; }
  unsigned bits() const { return is_v4() ? 32 : 128; }
  Bytes bytes() const { return Bytes(bytes_.data(), is_v4() ? 4 : 16); }
  std::uint32_t v4_host() const { return load_be32(bytes_.data()); }
  bool is_unspecified() const { return *this == any(family_); }
  bool is_link_local() const;
  std::string text() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  Family family_ = Family::kV4;
  std::array<std::uint8_t, 16> bytes_{};
};

struct Prefix {
  IpAddress address;  // host bits are zero
  std::uint8_t length = 0;

  static Result<Prefix> parse(std::string_view text);  // an address alone is a host prefix
  static Prefix host(const IpAddress& address) {
    return {address, static_cast<std::uint8_t>(address.bits())};
  }
  static Prefix all(Family family) { return {IpAddress::any(family), 0}; }
  bool contains(const IpAddress& a) const;
  IpAddress first() const { return address; }
  IpAddress last() const;
  std::string text() const;

  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

// The address with its host bits cleared.
IpAddress masked(const IpAddress& address, unsigned length);

// An inclusive range of one family (RFC 4301 §4.4.1.1 selectors are ranges).
struct AddressRange {
  IpAddress first, last;

  static AddressRange of(const Prefix& prefix) { return {prefix.first(), prefix.last()}; }
  static Result<AddressRange> parse(std::string_view text);  // prefix, address, or "first-last"
  bool contains(const IpAddress& a) const { return a.family() == first.family() && first <= a && a <= last; }
  bool contains(const AddressRange& other) const { return contains(other.first) && contains(other.last); }
  std::optional<AddressRange> intersect(const AddressRange& other) const;
  std::optional<Prefix> as_prefix() const;  // when the range is exactly one prefix
  std::string text() const;                 // prefix form where there is one

  friend auto operator<=>(const AddressRange&, const AddressRange&) = default;
};

// The smallest set of prefixes that is exactly this range, in order; no more than the first `most` of them.
std::vector<Prefix> prefixes_of(const AddressRange& range, std::size_t most = ~std::size_t{0});

struct SocketAddress {
  IpAddress address;
  Port port{};

  std::string text() const;  // "192.0.2.1[500]", as the field writes IKE endpoints

  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
};

}  // namespace simplon

// SPDX-License-Identifier: Apache-2.0
#include "dp/base/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace simplon {

IpAddress IpAddress::v4(std::uint32_t host_order) {
  IpAddress a;
  store_be32(a.bytes_.data(), host_order);
  return a;
}

IpAddress IpAddress::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  return v4(std::uint32_t{a} << 24 | std::uint32_t{b} << 16 | std::uint32_t{c} << 8 | d);
}

std::optional<IpAddress> IpAddress::from_bytes(Bytes bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  IpAddress a;
  a.family_ = bytes.size() == 4 ? Family::kV4 : Family::kV6;
  std::ranges::copy(bytes, a.bytes_.begin());
  return a;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  std::array<std::uint8_t, 16> raw{};
  if (inet_pton(AF_INET, terminated.c_str(), raw.data()) == 1) return from_bytes(Bytes(raw).first(4));
  if (inet_pton(AF_INET6, terminated.c_str(), raw.data()) == 1) return from_bytes(raw);
  return std::nullopt;
}

IpAddress IpAddress::any(Family family) {
  IpAddress a;
  a.family_ = family;
  return a;
}

IpAddress IpAddress::last(Family family) {
  IpAddress a = any(family);
  std::fill_n(a.bytes_.begin(), a.bits() / 8, std::uint8_t{0xff});
  return a;
}

bool IpAddress::is_link_local() const {
  if (is_v4()) return bytes_[0] == 169 && bytes_[1] == 254;
  return bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

std::string IpAddress::text() const {
  char out[INET6_ADDRSTRLEN];
  return inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), out, sizeof out);
}

IpAddress masked(const IpAddress& address, unsigned length) {
  std::array<std::uint8_t, 16> raw{};
  const Bytes from = address.bytes();
  for (unsigned i = 0; i < from.size(); ++i) {
    const unsigned kept = std::clamp(static_cast<int>(length) - static_cast<int>(8 * i), 0, 8);
    raw[i] = static_cast<std::uint8_t>(from[i] & (0xff00u >> kept));
  }
  return *IpAddress::from_bytes(Bytes(raw).first(from.size()));
}

Result<Prefix> Prefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::optional<IpAddress> address = IpAddress::parse(text.substr(0, slash));
  if (!address) return fail("'" + std::string(text) + "' is no IP address or prefix");
  if (slash == std::string_view::npos) return host(*address);
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc{} || end != digits.data() + digits.size() || length > address->bits())
    return fail("'" + std::string(text) + "': the prefix length must be 0 to " +
                std::to_string(address->bits()));
  const Prefix prefix{masked(*address, length), static_cast<std::uint8_t>(length)};
  if (prefix.address != *address)
    return fail("'" + std::string(text) + "' has host bits set; did you mean '" + prefix.text() + "'?");
  return prefix;
}

bool Prefix::contains(const IpAddress& a) const {
  return a.family() == address.family() && masked(a, length) == address;
}

IpAddress Prefix::last() const {
  std::array<std::uint8_t, 16> raw{};
  const Bytes from = address.bytes();
  for (unsigned i = 0; i < from.size(); ++i) {
    const unsigned kept = std::clamp(static_cast<int>(length) - static_cast<int>(8 * i), 0, 8);
    raw[i] = static_cast<std::uint8_t>(from[i] | (0xffu >> kept));
  }
  return *IpAddress::from_bytes(Bytes(raw).first(from.size()));
}

std::string Prefix::text() const { return address.text() + "/" + std::to_string(length); }

Result<AddressRange> AddressRange::parse(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    const Result<Prefix> prefix = Prefix::parse(text);
    if (!prefix) return std::unexpected(prefix.error());
    return of(*prefix);
  }
  const auto first = IpAddress::parse(text.substr(0, dash)), last = IpAddress::parse(text.substr(dash + 1));
  if (!first || !last || first->family() != last->family() || *last < *first)
    return fail("'" + std::string(text) + "' is no address range FIRST-LAST");
  return AddressRange{*first, *last};
}

std::optional<AddressRange> AddressRange::intersect(const AddressRange& other) const {
  if (first.family() != other.first.family()) return std::nullopt;
  const AddressRange common{std::max(first, other.first), std::min(last, other.last)};
  return common.first <= common.last ? std::optional(common) : std::nullopt;
}

std::optional<Prefix> AddressRange::as_prefix() const {
  for (int length = static_cast<int>(first.bits()); length >= 0; --length) {
    const Prefix candidate{masked(first, static_cast<unsigned>(length)), static_cast<std::uint8_t>(length)};
    if (candidate.address != first) break;
    if (candidate.last() == last) return candidate;
  }
  return std::nullopt;
}

std::string AddressRange::text() const {
  if (const auto prefix = as_prefix()) return prefix->text();
  return first.text() + "-" + last.text();
}

std::string SocketAddress::text() const {
  return address.text() + "[" + std::to_string(static_cast<unsigned>(port)) + "]";
}

namespace {
IpAddress successor(const IpAddress& a) {
  std::array<std::uint8_t, 16> raw{};
  std::ranges::copy(a.bytes(), raw.begin());
  for (std::size_t i = a.bytes().size(); i-- > 0;)
    if (++raw[i] != 0) break;
  return *IpAddress::from_bytes(Bytes(raw).first(a.bytes().size()));
}

}  // namespace

std::vector<Prefix> prefixes_of(const AddressRange& range, std::size_t most) {
  std::vector<Prefix> out;
  IpAddress at = range.first;
  for (;;) {
    unsigned length = at.bits();
    while (length > 0) {
      const Prefix wider{masked(at, length - 1), static_cast<std::uint8_t>(length - 1)};
      if (wider.address != at || wider.last() > range.last) break;
      --length;
    }
    const Prefix prefix{at, static_cast<std::uint8_t>(length)};
    out.push_back(prefix);
    if (prefix.last() >= range.last || out.size() == most) return out;
    at = successor(prefix.last());
  }
}

}  // namespace simplon

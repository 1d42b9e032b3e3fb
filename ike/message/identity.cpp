// SPDX-License-Identifier: Apache-2.0
#include "ike/message/identity.h"

#include <algorithm>

#include "dp/base/address.h"

namespace simplon::ike {
namespace {

std::optional<Buffer> from_hex(std::string_view hex) {
  if (hex.empty() || hex.size() % 2 != 0) return std::nullopt;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  Buffer out;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit(hex[i]), low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return out;
}

constexpr std::size_t kMostShown = 256;  // the peer may send 64 kB of it, before it has proved anything

std::string printable(Bytes data) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t b : data.first(std::min(data.size(), kMostShown))) {
    if (b > 0x20 && b < 0x7f && b != '\\')
      out += static_cast<char>(b);
    else
      out += {'\\', 'x', kHex[b >> 4], kHex[b & 15]};
  }
  return data.size() > kMostShown ? out + "..." : out;
}

std::string hexadecimal(Bytes data) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t b : data.first(std::min(data.size(), kMostShown)))
    out += {kHex[b >> 4], kHex[b & 15]};
  return data.size() > kMostShown ? out + "..." : out;
}

// What other daemons have and we have not; taken for a name it would never match.
std::string_view why_no_name(std::string_view text) {
  if (text.find('*') != text.npos) return "wildcards are not supported; one identity, or %any for every peer";
  if (text.find('=') != text.npos) return "distinguished names need certificates, which are not supported";
  if (text.find('%') != text.npos)
    return "only %any has a per cent sign; a link-local address is no identity";
  if (text.find('/') != text.npos) return "a network is no identity; one address, or %any for every peer";
  if (text.find(':') != text.npos)
    return "neither an IPv6 address nor a name; kinds are not written before names";
  return {};
}

}  // namespace

Result<Identity> Identity::parse(std::string_view text) {
  if (text.empty()) return fail("an identity must not be empty; %any matches every peer");
  if (text == "%any") return Identity{};
  if (text.starts_with("@#")) {
    auto data = from_hex(text.substr(2));
    if (!data) return fail("'" + std::string(text) + "': a key id is @# and pairs of hexadecimal digits");
    return Identity{IdType::kKeyId, std::move(*data)};
  }
  if (const auto address = IpAddress::parse(text))
    return Identity{address->is_v4() ? IdType::kIpv4 : IdType::kIpv6,
                    Buffer(address->bytes().begin(), address->bytes().end())};
  const std::string quoted = "'" + std::string(text.substr(0, 100)) + "'";
  if (const std::string_view why = why_no_name(text); !why.empty())
    return fail(quoted + ": " + std::string(why));
  const std::size_t at = text.find('@');
  if (at == 0) text.remove_prefix(1);  // "@name" is a name that must not be resolved, as strongSwan writes it
  const bool mail = at != std::string_view::npos && at != 0;
  if (text.empty() || std::ranges::any_of(text, [](unsigned char c) { return c <= 0x20 || c == 0x7f; }))
    return fail(quoted + " is no identity: no spaces or control characters");
  return Identity{mail ? IdType::kEmail : IdType::kFqdn, Buffer(text.begin(), text.end())};
}

bool operator==(const Identity& a, const Identity& b) {
  if (a.type != b.type) return false;
  if (a.type != IdType::kFqdn && a.type != IdType::kEmail) return a.data == b.data;
  const auto lower = [](std::uint8_t c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; };
  return std::ranges::equal(a.data, b.data, {}, lower, lower);
}

std::string Identity::key() const {
  std::string out(1, static_cast<char>(type));
  for (const std::uint8_t c : data) out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  return out;
}

std::string Identity::text() const {
  if (is_any()) return "%any";
  switch (type) {
    case IdType::kIpv4:
    case IdType::kIpv6:
      if (const auto address = IpAddress::from_bytes(data)) return address->text();
      break;
    case IdType::kFqdn:
    case IdType::kEmail:
      return printable(data);
    default:
      break;
  }
  return "@#" + hexadecimal(data);
}

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
#include "ike/message/identity.h"

#include <algorithm>
#include <optional>

#include "dp/base/address.h"
#include "ike/message/distinguished_name.h"
#include "ike/message/name_attribute.h"

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

std::string cut(std::string text) {
  if (text.size() > kMostShown) text.replace(kMostShown, text.npos, "...");
  return text;
}

// What other daemons have and we have not; taken for a name it would never match.
std::string_view why_no_name(std::string_view text) {
  if (text.find('*') != text.npos)
    return "a pattern is for the peer's identity only, and %any is for every peer";
  if (text.find('%') != text.npos)
    return "only %any has a per cent sign; a link-local address is no identity";
  if (text.find(':') != text.npos)
    return "neither an IPv6 address nor a name; kinds are not written before names";
  if (text.find('=') != text.npos)
    return "what stands before '=' is no attribute of a distinguished name (C=CH, O=Example, CN=gw.example)";
  if (text.find('/') != text.npos) return "a network is no identity; one address, or %any for every peer";
  return {};
}

std::string quoted(std::string_view text) { return "'" + std::string(text.substr(0, 100)) + "'"; }

Result<Identity> parse_name(std::string_view text) {
  auto name = parse_distinguished_name(text);
  if (!name) return fail(quoted(text) + ": " + name.error().what);
  return Identity{IdType::kDn, std::move(*name)};
}

// A pattern is "*", its joint and what the identities end with.
std::optional<std::uint8_t> joint_of(IdType type) {
  if (type == IdType::kFqdn) return std::uint8_t{'.'};
  if (type == IdType::kEmail) return std::uint8_t{'@'};
  return std::nullopt;
}

bool without_case(IdType type) { return type == IdType::kFqdn || type == IdType::kEmail; }
std::uint8_t lower(std::uint8_t c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; }

// What may stand in place of a star: graphic characters, no star, nothing that could be two users, no empty
// label.
bool replaces_star(Bytes front) {
  if (front.empty() || front.front() == '.') return false;
  const auto good = [](std::uint8_t c) { return c > 0x20 && c < 0x7f && c != '*' && c != '@'; };
  const auto both_dots = [](std::uint8_t a, std::uint8_t b) { return a == '.' && b == '.'; };
  return front.back() != '.' && std::ranges::all_of(front, good) &&
         std::ranges::adjacent_find(front, both_dots) == front.end();
}

bool fits_star(Bytes pattern, Bytes name) {
  const Bytes end = pattern.subspan(1);
  return name.size() > end.size() && std::ranges::equal(name.last(end.size()), end, {}, lower, lower) &&
         replaces_star(name.first(name.size() - end.size()));
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
  if (begins_distinguished_name(text)) {
    auto name = parse_name(text);
    if (name && name->is_pattern()) return fail(quoted(text) + ": a pattern is for the peer's identity only");
    return name;
  }
  if (const auto address = IpAddress::parse(text))
    return Identity{address->is_v4() ? IdType::kIpv4 : IdType::kIpv6,
                    Buffer(address->bytes().begin(), address->bytes().end())};
  if (const std::string_view why = why_no_name(text); !why.empty())
    return fail(quoted(text) + ": " + std::string(why));
  const std::string_view whole = text;
  const std::size_t at = text.find('@');
  if (at == 0) text.remove_prefix(1);  // "@name" is a name that must not be resolved, as strongSwan writes it
  const bool mail = at != std::string_view::npos && at != 0;
  if (text.empty() || std::ranges::any_of(text, [](unsigned char c) { return c <= 0x20 || c == 0x7f; }))
    return fail(quoted(whole) + " is no identity: no spaces or control characters");
  return Identity{mail ? IdType::kEmail : IdType::kFqdn, Buffer(text.begin(), text.end())};
}

Result<Identity> Identity::parse_pattern(std::string_view text) {
  if (begins_distinguished_name(text)) return parse_name(text);
  if (text.find('*') == text.npos) return parse(text);
  const std::string_view pattern = text.substr(text.starts_with("@*") ? 1 : 0);
  const bool name = pattern.starts_with("*."), mail = text.starts_with("*@");
  if (name || mail) {
    // What the star is joined to must be a domain name, whole and as it is written.
    const std::string_view end = pattern.substr(2);
    const auto domain = parse(end);
    if (domain && domain->type == IdType::kFqdn && domain->data == Buffer(end.begin(), end.end()) &&
        !end.starts_with('.'))
      return Identity{mail ? IdType::kEmail : IdType::kFqdn, Buffer(pattern.begin(), pattern.end())};
  }
  return fail(
      quoted(text) +
      ": a star stands for the first labels of a name (*.example.org), the user of an e-mail address "
      "(*@example.org) or a whole value of a distinguished name (O=Example, CN=*); %any is for every peer");
}

bool Identity::is_pattern() const {
  if (type == IdType::kDn) return is_name_pattern(data);
  const auto joint = joint_of(type);
  return joint && data.size() > 2 && data[0] == '*' && data[1] == *joint;
}

bool Identity::matches(const Identity& other) const {
  if (is_any()) return true;
  if (!is_pattern()) return *this == other;
  if (type != other.type) return false;
  return type == IdType::kDn ? fits_name_pattern(data, other.data) : fits_star(data, other.data);
}

bool operator==(const Identity& a, const Identity& b) {
  if (a.type != b.type) return false;
  if (a.type == IdType::kDn) return same_distinguished_name(a.data, b.data);
  if (!without_case(a.type)) return a.data == b.data;
  return std::ranges::equal(a.data, b.data, {}, lower, lower);
}

std::string Identity::key() const {
  std::string out(1, static_cast<char>(type));
  if (type == IdType::kDn) return out + distinguished_name_key(data);
  for (const std::uint8_t c : data) out += static_cast<char>(without_case(type) ? lower(c) : c);
  return out;
}

std::string Identity::text() const {
  if (type == IdType::kNull) return data.empty() ? "anonymous" : "anonymous:" + hexadecimal(data);
  if (is_any()) return "%any";
  switch (type) {
    case IdType::kIpv4:
    case IdType::kIpv6:
      if (const auto address = IpAddress::from_bytes(data)) return address->text();
      break;
    case IdType::kFqdn:
    case IdType::kEmail:
      return printable(data);
    case IdType::kDn:
      return cut(distinguished_name_text(data));
    default:
      break;
  }
  return "@#" + hexadecimal(data);
}

}  // namespace simplon::ike

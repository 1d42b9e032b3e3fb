// SPDX-License-Identifier: Apache-2.0
// Distinguished names as text: RFC 4514, but in the order of the DER and with a space behind the comma.
#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "ike/message/distinguished_name.h"
#include "ike/message/name_attribute.h"

namespace simplon::ike {
namespace {

constexpr std::string_view kSeparators = ",+", kDigits = "0123456789ABCDEF";
constexpr std::size_t kLongestText = 4 * kMostNameOctets;  // what it gives still has a length of two octets

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::optional<char> octet_of(std::string_view two) {
  const auto digit = [](char c) {
    return kDigits.find(c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c);
  };
  if (two.size() != 2 || digit(two[0]) == kDigits.npos || digit(two[1]) == kDigits.npos) return std::nullopt;
  return static_cast<char>(digit(two[0]) << 4 | digit(two[1]));
}

std::string hexadecimal(Bytes octets) {
  std::string out;
  out.reserve(2 * octets.size());
  for (const std::uint8_t b : octets) out += {kDigits[b >> 4], kDigits[b & 15]};
  return out;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// ---- from text ----

// Behind a backslash: a character that is no hexadecimal digit, or an octet.
std::optional<char> take_escaped(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  std::optional<char> out = octet_of(rest.substr(0, 2));
  const std::size_t taken = out ? 2 : 1;
  const char c = rest[0];
  if (!out && !is_control(c) && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F'))
    out = c;
  rest.remove_prefix(taken);
  return out;
}

struct Scanned {
  std::string octets;
  bool star = false;  // one that nothing quotes
};

// Up to the separator, the closing quote or the end.
Result<Scanned> scan(std::string_view& rest, bool quoted) {
  const std::string_view ends = quoted ? "\"" : kSeparators;
  Scanned out;
  std::size_t solid = 0;  // spaces behind it are not of the value
  while (!rest.empty() && ends.find(rest[0]) == ends.npos) {
    const char c = rest[0];
    rest.remove_prefix(1);
    if (c == '\\') {
      const auto octet = take_escaped(rest);
      if (!octet) return fail("a backslash stands before a special character or two hexadecimal digits");
      out.octets += *octet;
    } else {
      if (is_control(c) || (!quoted && std::string_view("\";<>").find(c) != std::string_view::npos))
        return fail("control characters and any of \" ; < > need a backslash before them");
      out.star |= !quoted && c == '*';
      out.octets += c;
      if (c == ' ' && !quoted) continue;
    }
    solid = out.octets.size();
  }
  out.octets.resize(solid);
  return out;
}

// RFC 5280 appendix A; what the type demanded cannot say is a UTF8String.
std::uint8_t fitting_tag(std::uint8_t tag, std::string_view value) {
  const auto may_be = [tag](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const bool ascii = static_cast<unsigned char>(c) < 0x80;
    return tag == der::kIa5String
               ? ascii
               : letter || std::string_view(" '()+,-./:=?").find(c) != std::string_view::npos;
  };
  return std::ranges::all_of(value, may_be) ? tag : der::kUtf8String;
}

// RFC 4514 §2.4: '#' and the DER of a value of any type.
Result<Buffer> take_hexadecimal(std::string_view& rest) {
  const std::size_t end = std::min(rest.find_first_of(kSeparators), rest.size());
  const std::string_view digits = without_spaces(rest.substr(1, end - 1));
  rest.remove_prefix(end);
  Buffer out;
  out.reserve(digits.size() / 2);
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const auto octet = octet_of(digits.substr(i, 2));
    if (!octet) return fail("behind # stand pairs of hexadecimal digits");
    out.push_back(static_cast<std::uint8_t>(*octet));
  }
  Reader in(out);
  take_der(in);
  if (!in.ok() || in.left() != 0 || out == der_value(kAnyValueTag, {}))
    return fail("behind # stands one value in DER");
  return out;
}

Result<Buffer> take_value(std::string_view& rest, std::uint8_t tag) {
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  if (rest.starts_with('#')) return take_hexadecimal(rest);
  const bool quoted = rest.starts_with('"');
  if (quoted) rest.remove_prefix(1);
  const auto value = scan(rest, quoted);
  if (!value) return std::unexpected(value.error());
  if (quoted) {
    if (rest.empty()) return fail("the closing quote is missing");
    rest.remove_prefix(1);
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (!rest.empty() && kSeparators.find(rest[0]) == kSeparators.npos)
      return fail("behind the closing quote stands a comma, a plus or nothing");
  }
  if (value->star && value->octets != "*")
    return fail("a star is a whole value, which fits any; write \\* for one that is part of a value");
  if (value->star) return der_value(kAnyValueTag, {});
  if (value->octets.empty()) return fail("it has no value");
  if (!is_utf8(bytes_of(value->octets))) return fail("its value is not UTF-8");
  return der_value(fitting_tag(tag, value->octets), bytes_of(value->octets));
}

// Up to the separator or the end.
Result<Buffer> take_attribute(std::string_view& rest) {
  const std::size_t equals = std::min(rest.find('='), rest.size());
  const std::string name(without_spaces(rest.substr(0, equals)).substr(0, 100));
  const auto type = find_attribute_type(without_spaces(rest.substr(0, equals)));
  if (equals == rest.size() || !type)
    return fail("'" + name +
                "' is no attribute of a distinguished name; it is written C=CH, O=Example, CN=gw.example, "
                "with a backslash before a comma within a value");
  rest.remove_prefix(equals + 1);
  const auto value = take_value(rest, type->tag);
  if (!value) return fail(name + ": " + value.error().what);
  Buffer pair = der_value(der::kOid, type->type);
  pair.insert(pair.end(), value->begin(), value->end());
  return der_value(der::kSequence, pair);
}

Buffer set_of(std::vector<Buffer>& members) {
  std::ranges::sort(members);  // X.690 §11.6
  Buffer contents;
  for (const Buffer& member : members) contents.insert(contents.end(), member.begin(), member.end());
  return der_value(der::kSet, contents);
}

// ---- to text ----

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto octet = static_cast<unsigned char>(c);
    const bool at_end = i == 0 || i + 1 == text.size();
    const bool special = std::string_view("\"+,;<>\\*").find(c) != std::string_view::npos ||
                         (c == ' ' && at_end) || (c == '#' && i == 0);
    if (octet < 0x20 || octet > 0x7e)
      out += {'\\', kDigits[octet >> 4], kDigits[octet & 15]};
    else if (special)
      out += {'\\', c};
    else
      out += c;
  }
  return out;
}

std::string text_of(const NameAttribute& attribute) {
  const std::string type = attribute_type_text(attribute.type) + "=";
  if (attribute.is_any()) return type + "*";
  const auto text = string_value(attribute);
  if (text && !text->empty()) return type + escaped(*text);
  return type + "#" + hexadecimal(der_value(attribute.tag, attribute.value));
}

}  // namespace

Result<Buffer> parse_distinguished_name(std::string_view text) {
  const auto too_large = [] {
    return fail(
        "a distinguished name has at most 64 attributes, with values of 1024 octets, and 4096 octets in all");
  };
  if (text.size() > kLongestText) return too_large();
  Buffer sets;
  std::vector<Buffer> members;
  for (bool more = true; more;) {
    auto attribute = take_attribute(text);
    if (!attribute) return attribute;
    members.push_back(std::move(*attribute));
    const bool joined = text.starts_with('+');
    more = !text.empty();
    if (more) text.remove_prefix(1);
    if (joined) continue;
    const Buffer set = set_of(members);
    sets.insert(sets.end(), set.begin(), set.end());
    members.clear();
  }
  Buffer der = der_value(der::kSequence, sets);
  if (!is_distinguished_name(der)) return too_large();
  return der;
}

std::string distinguished_name_text(Bytes der) {
  const auto name = read_name(der);
  if (!name) return hexadecimal(der);
  std::string out;
  for (const RelativeName& members : *name) {
    std::string_view before = out.empty() ? "" : ", ";
    for (const NameAttribute& member : members) {
      out += std::string(before) + text_of(member);
      before = "+";
    }
  }
  return out;
}

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
#include "ike/message/name_attribute.h"

#include <algorithm>
#include <array>

namespace simplon::ike {
namespace {

struct KnownType {
  std::string_view name, oid;
  std::uint8_t tag = der::kUtf8String;
};

// The first name of a type is the one that is shown. SN is the surname (RFC 4519 §2.32).
constexpr std::array kKnownTypes = std::to_array<KnownType>({
    {"C", "2.5.4.6", der::kPrintableString},
    {"ST", "2.5.4.8"},
    {"L", "2.5.4.7"},
    {"street", "2.5.4.9"},
    {"O", "2.5.4.10"},
    {"OU", "2.5.4.11"},
    {"CN", "2.5.4.3"},
    {"SN", "2.5.4.4"},
    {"surname", "2.5.4.4"},
    {"serialNumber", "2.5.4.5", der::kPrintableString},
    {"title", "2.5.4.12"},
    {"GN", "2.5.4.42"},
    {"givenName", "2.5.4.42"},
    {"initials", "2.5.4.43"},
    {"generation", "2.5.4.44"},
    {"generationQualifier", "2.5.4.44"},
    {"dnQualifier", "2.5.4.46", der::kPrintableString},
    {"DC", "0.9.2342.19200300.100.1.25", der::kIa5String},
    {"UID", "0.9.2342.19200300.100.1.1"},
    {"E", "1.2.840.113549.1.9.1", der::kIa5String},
    {"emailAddress", "1.2.840.113549.1.9.1", der::kIa5String},
});

bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool is_character(std::uint32_t code) { return code < 0xd800 || (code > 0xdfff && code <= 0x10ffff); }

void put_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t octet) { out += static_cast<char>(octet); };
  const auto more = [&put, code](unsigned shift) { put(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) return put(0xc0 | code >> 6), more(0);
  if (code < 0x10000) return put(0xe0 | code >> 12), more(6), more(0);
  put(0xf0 | code >> 18), more(12), more(6), more(0);
}

// Characters of so many octets each.
std::optional<std::string> from_fixed(Bytes value, std::size_t width) {
  if (value.size() % width != 0) return std::nullopt;
  std::string out;
  out.reserve(value.size());
  for (; !value.empty(); value = value.subspan(width)) {
    std::uint32_t code = 0;
    for (const std::uint8_t b : value.first(width)) code = code << 8 | b;
    if (!is_character(code)) return std::nullopt;
    put_utf8(out, code);
  }
  return out;
}

// The next character's octets, 0: there is no valid one. RFC 3629 §3: the shortest form, no surrogates.
std::size_t utf8_character(Bytes text) {
  static constexpr std::array<std::uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  const std::uint8_t lead = text[0];
  if (lead < 0x80) return 1;
  const std::size_t n = lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
  if (n == 0 || n > text.size()) return 0;
  std::uint32_t code = lead & (0x7fU >> n);
  for (const std::uint8_t b : text.subspan(1, n - 1)) {
    if ((b & 0xc0) != 0x80) return 0;
    code = code << 6 | (b & 0x3f);
  }
  return code >= kSmallest[n] && is_character(code) ? n : 0;
}

std::optional<NameAttribute> take_attribute(Reader& in) {
  const DerValue pair = take_der(in);
  Reader parts(pair.contents);
  const DerValue type = take_der(parts), value = take_der(parts);
  if (!in.ok() || pair.tag != der::kSequence || !parts.ok() || parts.left() != 0) return std::nullopt;
  if (type.tag != der::kOid || !dotted_oid(type.contents) || value.contents.size() > kMostValueOctets)
    return std::nullopt;
  return NameAttribute{type.contents, value.tag, value.contents};
}

}  // namespace

std::optional<std::vector<RelativeName>> read_name(Bytes der) {
  if (der.size() > kMostNameOctets) return std::nullopt;
  Reader whole(der);
  const DerValue name = take_der(whole);
  if (!whole.ok() || whole.left() != 0 || name.tag != der::kSequence || name.contents.empty())
    return std::nullopt;
  std::vector<RelativeName> out;
  std::size_t attributes = 0;
  for (Reader sets(name.contents); sets.left() > 0;) {
    const DerValue set = take_der(sets);
    if (!sets.ok() || set.tag != der::kSet || set.contents.empty()) return std::nullopt;
    RelativeName& members = out.emplace_back();
    for (Reader in(set.contents); in.left() > 0;) {
      const auto attribute = take_attribute(in);
      if (!attribute || ++attributes > kMostNameAttributes) return std::nullopt;
      members.push_back(*attribute);
    }
  }
  return out;
}

bool is_utf8(Bytes text) {
  while (!text.empty()) {
    const std::size_t n = utf8_character(text);
    if (n == 0) return false;
    text = text.subspan(n);
  }
  return true;
}

std::optional<std::string> string_value(const NameAttribute& attribute) {
  const Bytes value = attribute.value;
  bool valid = false;
  switch (attribute.tag) {
    case der::kT61String:
      return from_fixed(value, 1);
    case der::kBmpString:
      return from_fixed(value, 2);
    case der::kUniversalString:
      return from_fixed(value, 4);
    case der::kUtf8String:
      valid = is_utf8(value);
      break;
    case der::kPrintableString:
    case der::kIa5String:
      // Many a PrintableString has characters that it must not have, '@' or '*': they are what they look
      // like.
      valid = std::ranges::all_of(value, [](std::uint8_t b) { return b < 0x80; });
      break;
    default:
      break;
  }
  if (!valid) return std::nullopt;
  return std::string(value.begin(), value.end());
}

std::optional<AttributeType> find_attribute_type(std::string_view name) {
  const auto known = std::ranges::find_if(
      kKnownTypes, [&](const KnownType& t) { return same_word(t.name, name) || t.oid == name; });
  const bool found = known != kKnownTypes.end();
  auto type = oid_of(found ? known->oid : name);
  if (!type) return std::nullopt;
  return AttributeType{std::move(*type), found ? known->tag : der::kUtf8String};
}

std::string attribute_type_text(Bytes type) {
  auto dotted = dotted_oid(type).value_or("");
  const auto known = std::ranges::find(kKnownTypes, dotted, &KnownType::oid);
  return known == kKnownTypes.end() ? dotted : std::string(known->name);
}

std::string_view without_spaces(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

bool begins_distinguished_name(std::string_view text) {
  const std::size_t equals = text.find('=');
  return equals != text.npos && find_attribute_type(without_spaces(text.substr(0, equals))).has_value();
}

}  // namespace simplon::ike

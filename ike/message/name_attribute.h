// SPDX-License-Identifier: Apache-2.0
// The attributes that a distinguished name consists of: read from DER, their values as text, their short
// names. For distinguished_name.cpp and distinguished_name_text.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/bytes.h"
#include "ike/message/der.h"

namespace simplon::ike {

constexpr std::size_t kMostNameOctets = 4096, kMostNameAttributes = 64, kMostValueOctets = 1024;

// In place of a value that may be any: [PRIVATE 0], empty. No standard gives an attribute a value of the
// private class (X.680 §8), and a name that has one fits no pattern, so a peer gains nothing by sending it.
constexpr std::uint8_t kAnyValueTag = 0xc0;

// Refers to the octets of the name that it was read from.
struct NameAttribute {
  Bytes type;  // the contents of its OBJECT IDENTIFIER, which is well-formed
  std::uint8_t tag = 0;
  Bytes value;

  bool is_any() const { return tag == kAnyValueTag && value.empty(); }
};
using RelativeName = std::vector<NameAttribute>;  // one SET: never empty

// None: no whole name, an empty one, or one above the limits.
std::optional<std::vector<RelativeName>> read_name(Bytes der);

// A value of a string type in UTF-8. None: of another type, or it is not what its type demands. T61String is
// read as Latin-1, as everybody does.
std::optional<std::string> string_value(const NameAttribute& attribute);
bool is_utf8(Bytes text);

// What is written before '=': the type as an OBJECT IDENTIFIER, and the string type that RFC 5280 (appendix
// A) demands. Short names in any case, or dotted numbers.
struct AttributeType {
  Buffer type;
  std::uint8_t tag = der::kUtf8String;
};
std::optional<AttributeType> find_attribute_type(std::string_view name);
std::string attribute_type_text(Bytes type);  // the short name, or dotted numbers

// Whether a text begins like a distinguished name: its first '=' stands behind the name of an attribute.
bool begins_distinguished_name(std::string_view text);
std::string_view without_spaces(std::string_view text);  // at its ends

}  // namespace simplon::ike

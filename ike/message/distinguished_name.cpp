// SPDX-License-Identifier: Apache-2.0
#include "ike/message/distinguished_name.h"

#include <algorithm>
#include <vector>

#include "ike/message/name_attribute.h"

namespace simplon::ike {
namespace {

void put_counted(std::string& out, std::string_view octets) {
  out += {static_cast<char>(octets.size() >> 8), static_cast<char>(octets.size())};
  out += octets;
}

std::string_view chars_of(Bytes b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }

// RFC 5280 §7.1, of the letters a to z alone: no spaces at the ends, one for several within.
std::string folded(std::string_view text) {
  text = without_spaces(text);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == ' ' && out.ends_with(' ')) continue;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  }
  return out;
}

// Equal attributes have the same, and no others: every part says how long it is.
std::string key_of(const NameAttribute& attribute) {
  std::string out;
  put_counted(out, chars_of(attribute.type));
  const auto text = string_value(attribute);
  // A string has one tag, whichever it came with.
  out += static_cast<char>(text ? der::kUtf8String : attribute.tag);
  out += text ? 's' : 'o';  // a UTF8String that is none is octets
  put_counted(out, text ? folded(*text) : std::string(chars_of(attribute.value)));
  return out;
}

// Of a SET the order does not count.
std::vector<std::string> keys_of(const RelativeName& members) {
  std::vector<std::string> out;
  out.reserve(members.size());
  for (const NameAttribute& member : members) out.push_back(key_of(member));
  std::ranges::sort(out);
  return out;
}

bool has_any(const std::vector<RelativeName>& name) {
  return std::ranges::any_of(
      name, [](const RelativeName& members) { return std::ranges::any_of(members, &NameAttribute::is_any); });
}

bool take_first(RelativeName& from, const auto& wanted) {
  const auto found = std::ranges::find_if(from, wanted);
  if (found == from.end()) return false;
  from.erase(found);
  return true;
}

// Those with a value take theirs first; what is left is for those that fit any value.
bool fits(const RelativeName& pattern, RelativeName rest) {
  if (pattern.size() != rest.size()) return false;
  for (const bool any : {false, true})
    for (const NameAttribute& p : pattern) {
      if (p.is_any() != any) continue;
      const std::string key = any ? std::string() : key_of(p);
      const auto fits_this = [&](const NameAttribute& n) {
        return any ? std::ranges::equal(n.type, p.type) : key_of(n) == key;
      };
      if (!take_first(rest, fits_this)) return false;
    }
  return true;
}

}  // namespace

bool is_distinguished_name(Bytes der) { return read_name(der).has_value(); }

std::string distinguished_name_key(Bytes der) {
  const auto name = read_name(der);
  if (!name) return 'x' + std::string(chars_of(der));
  std::string out = "n";
  for (const RelativeName& members : *name) {
    out += static_cast<char>(members.size());
    for (const std::string& key : keys_of(members)) out += key;
  }
  return out;
}

bool same_distinguished_name(Bytes a, Bytes b) {
  return std::ranges::equal(a, b) || distinguished_name_key(a) == distinguished_name_key(b);
}

bool is_name_pattern(Bytes pattern) {
  const auto name = read_name(pattern);
  return name && has_any(*name);
}

bool fits_name_pattern(Bytes pattern, Bytes name) {
  const auto wanted = read_name(pattern), given = read_name(name);
  return wanted && given && !has_any(*given) &&
         std::ranges::equal(*wanted, *given,
                            [](const RelativeName& p, const RelativeName& n) { return fits(p, n); });
}

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
// DSCPs by the names of RFC 2474, RFC 2597, RFC 3246, RFC 5865 and RFC 8622, and classes of them (RFC 4301
// §4.1).
#include <charconv>

#include "ctrl/config/parts.h"
#include "ctrl/config/rules.h"

namespace simplon::ctrl {
namespace {

std::optional<unsigned> number(std::string_view text) {
  unsigned n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(n) : std::nullopt;
}

}  // namespace

std::optional<std::uint8_t> parse_dscp(std::string_view text) {
  constexpr std::pair<std::string_view, std::uint8_t> kNames[] = {
      {"be", 0}, {"le", 1}, {"va", 44}, {"ef", 46}};
  for (const auto& [name, dscp] : kNames)
    if (text == name) return dscp;
  if (const auto n = number(text))
    return *n < 64 ? std::optional(static_cast<std::uint8_t>(*n)) : std::nullopt;
  if (text.size() == 3 && text.starts_with("cs") && text[2] >= '0' && text[2] <= '7')
    return static_cast<std::uint8_t>((text[2] - '0') << 3);
  if (text.size() == 4 && text.starts_with("af") && text[2] >= '1' && text[2] <= '4' && text[3] >= '1' &&
      text[3] <= '3')
    return static_cast<std::uint8_t>((text[2] - '0') << 3 | (text[3] - '0') << 1);
  return std::nullopt;
}

Result<void> add_dscp(std::string_view text, DscpClasses& classes) {
  const auto dscp = parse_dscp(text);
  if (!dscp)
    return fail("'" + std::string(text.substr(0, 32)) +
                "' is no DSCP; use a number from 0 to 63, be, le, va, ef, cs0 to cs7, af11 to af43");
  if (classes.of[*dscp] != 0) return fail("'" + std::string(text) + "' stands in a class already");
  classes.of[*dscp] = classes.count;
  return {};
}

DscpClasses read_dscp_classes(const Value& value) {
  DscpClasses out;
  if (!value) return out;
  for (const Value& item : value.filled_list()) {
    if (out.count == kMostDscpClasses) {
      value.error("at most " + std::to_string(kMostDscpClasses - 1) + " classes, and the rest");
      return out;
    }
    for (const Value& dscp : item.filled_list()) {
      const auto text = dscp.text();
      if (!text) continue;
      if (const auto added = add_dscp(*text, out); !added) dscp.error(added.error().what);
    }
    ++out.count;
  }
  return out;
}

}  // namespace simplon::ctrl

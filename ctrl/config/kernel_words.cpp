// SPDX-License-Identifier: Apache-2.0
#include "ctrl/config/kernel_words.h"

#include <charconv>
#include <cstdio>
#include <optional>

namespace simplon::ctrl {
namespace {

constexpr std::uint32_t kAllBits = ~std::uint32_t{0};

std::optional<std::uint32_t> number_of(std::string_view text) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  std::uint32_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, hex ? 16 : 10);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return out;
}

std::string hex(std::uint32_t value) {
  char out[11];
  std::snprintf(out, sizeof out, "0x%x", value);
  return out;
}

}  // namespace

Result<std::uint32_t> parse_if_id(std::string_view text) {
  const auto number = number_of(text);
  if (!number || *number == 0)
    return fail("'" + std::string(text.substr(0, 40)) +
                "' is no if_id; use a number from 1 to 0xffffffff, as 'ip link add ... type xfrm if_id' has");
  return *number;
}

Result<PacketMark> parse_mark(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto value = number_of(text.substr(0, slash));
  const auto mask = slash == std::string_view::npos ? kAllBits : number_of(text.substr(slash + 1));
  if (!value || !mask || *mask == 0)
    return fail(
        "'" + std::string(text.substr(0, 40)) +
        "' is no mark; use VALUE or VALUE/MASK of 32 bits, like 42 or 0x2a/0xff, and a mask that is not 0");
  if ((*value & ~*mask) != 0)
    return fail("'" + std::string(text.substr(0, 40)) +
                "' has bits outside its mask, which no packet would have; widen the mask");
  return PacketMark{.value = *value, .mask = *mask};
}

std::string mark_text(const PacketMark& mark) {
  return hex(mark.value) + (mark.mask == kAllBits ? "" : "/" + hex(mark.mask));
}

}  // namespace simplon::ctrl

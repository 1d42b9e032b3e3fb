// SPDX-License-Identifier: Apache-2.0
#include "dp/base/device_name.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string_view>

namespace simplon {
namespace {

constexpr std::string_view kHex = "0123456789abcdefABCDEF";

// "x" stands for a hexadecimal digit.
bool looks_like(std::string_view text, std::string_view pattern) {
  return text.size() == pattern.size() && std::ranges::equal(text, pattern, [](char c, char p) {
           return p == 'x' ? kHex.find(c) != std::string_view::npos : c == p;
         });
}

std::string_view address_of(std::string_view device) { return device.substr(0, device.find(',')); }

// Takes a hexadecimal number of so many digits at most, and the character behind it (0: the end).
std::optional<unsigned> take_field(std::string_view& text, std::size_t digits, char end) {
  const std::size_t n = std::min(text.find_first_not_of(kHex), text.size());
  unsigned value = 0;
  if (n == 0 || n > digits || (end == 0 ? n != text.size() : n == text.size() || text[n] != end))
    return std::nullopt;
  std::from_chars(text.data(), text.data() + n, value, 16);
  text.remove_prefix(std::min(n + 1, text.size()));
  return value;
}

// "[domain:]bus:slot.function". A domain has more than four digits behind some bridges (Intel's VMD); there
// are 32 slots and 8 functions.
std::optional<std::string> full_pci_address(std::string_view text) {
  const bool has_domain = std::ranges::count(text, ':') == 2;
  const auto domain = has_domain ? take_field(text, 8, ':') : 0, bus = take_field(text, 2, ':'),
             slot = take_field(text, 2, '.'), function = take_field(text, 1, 0);
  if (!domain || !bus || !slot || !function || *slot > 31 || *function > 7) return std::nullopt;
  char full[20];
  std::snprintf(full, sizeof full, "%.4x:%.2x:%.2x.%x", *domain, *bus & 0xff, *slot, *function);
  return full;
}

}  // namespace

bool is_pci_address(const std::string& device) { return full_pci_address(address_of(device)).has_value(); }

bool is_vmbus_device(const std::string& device) {
  return looks_like(address_of(device), "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
}

std::string full_device_name(const std::string& device) {
  const std::string_view address = address_of(device);
  const auto full = full_pci_address(address);
  return full ? *full + device.substr(address.size()) : device;
}

}  // namespace simplon

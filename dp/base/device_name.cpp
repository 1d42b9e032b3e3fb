// SPDX-License-Identifier: Apache-2.0
#include "dp/base/device_name.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
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

std::string_view address_of(const std::string& device) {
  return std::string_view(device).substr(0, device.find(','));
}

}  // namespace

bool is_pci_address(const std::string& device) {
  return looks_like(address_of(device), "xxxx:xx:xx.x") || looks_like(address_of(device), "xx:xx.x");
}

bool is_vmbus_device(const std::string& device) {
  return looks_like(address_of(device), "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
}

std::string full_device_name(const std::string& device) {
  const std::string address(address_of(device));
  unsigned domain = 0, bus = 0, slot = 0, function = 0;
  int end = 0;
  const auto reads = [&](const char* pattern, int fields, auto... to) {
    return std::sscanf(address.c_str(), pattern, to..., &end) == fields &&
           static_cast<std::size_t>(end) == address.size();
  };
  if (address.find_first_not_of(std::string(kHex) + ":.") != std::string::npos) return device;
  if (!reads("%4x:%2x:%2x.%1x%n", 4, &domain, &bus, &slot, &function)) {
    domain = 0;
    if (!reads("%2x:%2x.%1x%n", 3, &bus, &slot, &function)) return device;
  }
  char full[16];
  std::snprintf(full, sizeof full, "%.4x:%.2x:%.2x.%x", domain & 0xffff, bus & 0xff, slot & 0xff,
                function & 0xf);
  return full + device.substr(address.size());
}

}  // namespace simplon

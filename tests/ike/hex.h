// SPDX-License-Identifier: Apache-2.0
// Bytes as the RFCs print their vectors: hexadecimal, with spaces anywhere.
#pragma once

#include <string>
#include <string_view>

#include "dp/base/bytes.h"

namespace simplon::ike::test {

inline Buffer hex(std::string_view text) {
  Buffer out;
  std::string pair;
  for (const char c : text) {
    if (c == ' ') continue;
    pair += c;
    if (pair.size() < 2) continue;
    out.push_back(static_cast<std::uint8_t>(std::stoul(pair, nullptr, 16)));
    pair.clear();
  }
  return out;
}

inline Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline Buffer copy_of(Bytes b) { return {b.begin(), b.end()}; }

}  // namespace simplon::ike::test

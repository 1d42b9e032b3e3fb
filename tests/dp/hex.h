// SPDX-License-Identifier: Apache-2.0
// Bytes as the RFCs print their vectors.
#pragma once

#include <string>
#include <string_view>

#include "dp/base/bytes.h"

namespace simplon::dp::test {

inline Buffer hex(std::string_view text) {
  Buffer out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoul(std::string(text.substr(i, 2)), nullptr, 16)));
  return out;
}

}  // namespace simplon::dp::test

// SPDX-License-Identifier: Apache-2.0
// A point in time for people to read. Reads no clock.
#pragma once

#include <array>
#include <cstdint>
#include <ctime>
#include <string>

namespace simplon {

// `format` as strftime() has it; "?" for what has no calendar.
inline std::string utc_text(std::int64_t seconds_since_1970, const char* format) {
  const std::time_t time = seconds_since_1970;
  std::tm parts{};
  std::array<char, 64> out{};
  if (gmtime_r(&time, &parts) == nullptr) return "?";
  return {out.data(), std::strftime(out.data(), out.size(), format, &parts)};
}

}  // namespace simplon

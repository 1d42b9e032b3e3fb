// SPDX-License-Identifier: Apache-2.0
// Numbers with units as the configuration writes them: "1h30m", "64MiB". For ctrl/config/ only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace simplon::ctrl {

// Digits alone, no sign, and the number must fit.
std::optional<std::uint64_t> digits(std::string_view text);

// Several may be added up, "1h30m"; "0" needs no unit. None: it is no duration or size, or does not fit.
std::optional<std::uint64_t> parse_milliseconds(std::string_view text);
std::optional<std::uint64_t> parse_bytes(std::string_view text);

// In the largest unit that divides it.
std::string time_text(std::chrono::milliseconds time);
std::string size_text(std::uint64_t bytes);

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/config/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace simplon::ctrl {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array kTimes{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000}, Unit{"h", 3'600'000},
                            Unit{"d", 86'400'000}};
constexpr std::array kSizes{Unit{"B", 1},
                            Unit{"KiB", 1ull << 10},
                            Unit{"MiB", 1ull << 20},
                            Unit{"GiB", 1ull << 30},
                            Unit{"TiB", 1ull << 40},
                            Unit{"PiB", 1ull << 50},
                            Unit{"KB", 1000},
                            Unit{"kB", 1000},
                            Unit{"MB", 1000'000},
                            Unit{"GB", 1000'000'000},
                            Unit{"TB", 1000'000'000'000}};

// "1h30m": numbers with units, added up; none when it is not that or does not fit.
std::optional<std::uint64_t> quantity(std::string_view text, std::span<const Unit> units) {
  std::uint64_t sum = 0;
  do {
    const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto count = digits(text.substr(0, end));
    text.remove_prefix(end);
    const std::string_view name = text.substr(0, text.find_first_of("0123456789"));
    text.remove_prefix(name.size());
    const auto* unit = std::ranges::find(units, name, &Unit::name).base();
    std::uint64_t product = 0;
    if (!count || unit == units.data() + units.size() ||
        __builtin_mul_overflow(*count, unit->factor, &product) || __builtin_add_overflow(sum, product, &sum))
      return std::nullopt;
  } while (!text.empty());
  return sum;
}

// The largest unit that divides it, for messages.
std::string with_unit(std::uint64_t value, std::initializer_list<Unit> units) {
  for (const Unit& unit : units)
    if (value >= unit.factor && value % unit.factor == 0)
      return std::to_string(value / unit.factor) + std::string(unit.name);
  return "0";
}

}  // namespace

std::optional<std::uint64_t> digits(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_milliseconds(std::string_view text) {
  return text == "0" ? 0 : quantity(text, kTimes);
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  return text == "0" ? 0 : quantity(text, kSizes);
}

std::string time_text(std::chrono::milliseconds t) {
  return with_unit(static_cast<std::uint64_t>(t.count()),
                   {kTimes[4], kTimes[3], kTimes[2], kTimes[1], kTimes[0]});
}

std::string size_text(std::uint64_t n) {
  return with_unit(n, {kSizes[5], kSizes[4], kSizes[3], kSizes[2], kSizes[1], kSizes[0]});
}

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/console/table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <ostream>

namespace simplon::console {
namespace {

std::optional<std::uint64_t> number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// Columns are counted in characters, not in bytes of UTF-8.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool is_amount(std::string_view cell) {
  return !cell.empty() &&
         std::ranges::all_of(cell, [](char c) { return (c >= '0' && c <= '9') || c == ','; });
}

}  // namespace

void Table::print(std::ostream& out, std::string_view indent) const {
  std::vector<std::size_t> widths(rows_.front().size());
  std::vector<bool> right(widths.size(), rows_.size() > 1);
  for (std::size_t r = 0; r < rows_.size(); ++r)
    for (std::size_t c = 0; c < std::min(widths.size(), rows_[r].size()); ++c) {
      widths[c] = std::max(widths[c], width(rows_[r][c]));
      if (r > 0 && !is_amount(rows_[r][c])) right[c] = false;
    }
  for (const auto& row : rows_) {
    std::string line(indent);
    for (std::size_t c = 0; c < std::min(widths.size(), row.size()); ++c) {
      const std::string space(widths[c] - width(row[c]), ' ');
      line += (c > 0 ? "  " : "") + (right[c] ? space + row[c] : row[c] + space);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
}

std::string grouped(std::string_view digits) {
  if (!number(digits)) return std::string(digits);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string bytes_text(std::string_view digits) {
  static constexpr std::array kUnits{"B", "KB", "MB", "GB", "TB", "PB", "EB"};
  const std::optional<std::uint64_t> bytes = number(digits);
  if (!bytes) return std::string(digits);
  auto amount = static_cast<double>(*bytes);
  std::size_t unit = 0;
  for (; amount >= 1000 && unit + 1 < kUnits.size(); ++unit) amount /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", amount, kUnits[unit]);
  return text;
}

std::string time_text(std::string_view seconds) {
  const std::optional<std::uint64_t> n = number(seconds);
  if (!n) return std::string(seconds);
  const auto two = [](std::uint64_t a, const char* unit_a, std::uint64_t b, const char* unit_b) {
    return std::to_string(a) + unit_a + (b > 0 ? " " + std::to_string(b) + unit_b : "");
  };
  if (*n < 60) return std::to_string(*n) + "s";
  if (*n < 3600) return two(*n / 60, "m", *n % 60, "s");
  if (*n < 86400) return two(*n / 3600, "h", *n % 3600 / 60, "m");
  return two(*n / 86400, "d", *n % 86400 / 3600, "h");
}

std::string printable(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(
      out,
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f; },
      '?');
  return out;
}

}  // namespace simplon::console

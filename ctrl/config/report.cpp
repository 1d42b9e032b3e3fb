// SPDX-License-Identifier: Apache-2.0
#include "ctrl/config/report.h"

#include <algorithm>
#include <cctype>
#include <numeric>

namespace simplon::ctrl {
namespace {

// Levenshtein's distance with neighbours swapped as one step (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

}  // namespace

Report::Line Report::line(Place place, std::string_view path, std::string_view what) const {
  std::string text = file_ + ":" + std::to_string(place.line) + ":" + std::to_string(place.column) + ": ";
  if (!path.empty()) text += std::string(path) + ": ";
  return {place, text.append(what)};
}

std::vector<std::string> Report::sorted(std::vector<Line> lines) {
  std::ranges::stable_sort(lines, {}, &Line::place);
  std::vector<std::string> out;
  for (Line& line : lines)
    if (out.empty() || out.back() != line.text) out.push_back(std::move(line.text));
  return out;
}

std::string did_you_mean(std::string_view text, const std::vector<std::string_view>& known) {
  if (text.size() > 64) return {};
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string_view nearest;
  std::size_t least = std::max<std::size_t>(1, text.size() / 3) + 1;
  for (const std::string_view word : known) {
    const std::size_t steps = word == lower ? 0 : distance(lower, word);
    if (steps < least) least = steps, nearest = word;
  }
  return nearest.empty() ? "" : "; did you mean '" + std::string(nearest) + "'?";
}

std::string shown(std::string_view text) {
  std::string out = "'";
  for (char c : text.substr(0, 60)) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return out + (text.size() > 60 ? "…'" : "'");
}

std::string list_text(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i)
    out += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + std::string(words[i]);
  return out;
}

}  // namespace simplon::ctrl

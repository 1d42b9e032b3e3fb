#include "ctrl/config/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <numeric>
#include <set>
#include <span>

namespace simplon::ctrl {
namespace {

using std::chrono::milliseconds;

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

// Digits alone, no sign, and it must fit.
std::optional<std::uint64_t> digits(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

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
std::string time_text(milliseconds t) {
  return with_unit(static_cast<std::uint64_t>(t.count()),
                   {kTimes[4], kTimes[3], kTimes[2], kTimes[1], kTimes[0]});
}
std::string size_text(std::uint64_t n) {
  return with_unit(n, {kSizes[5], kSizes[4], kSizes[3], kSizes[2], kSizes[1], kSizes[0]});
}

// What the file shows is echoed with an end, and on one line.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text.substr(0, 60)) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return out + (text.size() > 60 ? "…'" : "'");
}

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

std::string list_text(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i)
    out += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + std::string(words[i]);
  return out;
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

std::optional<std::string> Value::text() const {
  if (!node_) return std::nullopt;
  if (node_->kind == Yaml::Kind::kScalar && !node_->text.empty()) return node_->text;
  const bool blank = node_->kind == Yaml::Kind::kScalar || node_->kind == Yaml::Kind::kNull;
  error(blank ? "a value is missing" : "needs one value, not a list or a section");
  return std::nullopt;
}

std::optional<bool> Value::boolean() const {
  return choice<bool>({{"true", true}, {"false", false}, {"yes", true}, {"no", false}});
}

std::optional<std::uint64_t> Value::number(std::uint64_t least, std::uint64_t most) const {
  const auto given = text();
  if (!given) return std::nullopt;
  const auto value = digits(*given);
  if (value && *value >= least && *value <= most) return value;
  error(quoted(*given) + " is not allowed; use a whole number from " + std::to_string(least) + " to " +
        std::to_string(most));
  return std::nullopt;
}

std::optional<milliseconds> Value::duration(milliseconds least, milliseconds most) const {
  const auto given = text();
  if (!given) return std::nullopt;
  const auto value = *given == "0" ? std::optional<std::uint64_t>(0) : quantity(*given, kTimes);
  if (value && *value <= static_cast<std::uint64_t>(most.count()) && milliseconds(*value) >= least)
    return milliseconds(*value);
  const bool bare = !value && digits(*given);
  error(quoted(*given) + (value ? " is out of range" : " is no duration") + "; use " + time_text(least) +
        " to " + time_text(most) + ", with a unit: ms, s, m, h, d" +
        (bare ? "; did you mean '" + *given + "s'?" : ""));
  return std::nullopt;
}

std::optional<std::chrono::seconds> Value::seconds(std::chrono::seconds least,
                                                   std::chrono::seconds most) const {
  const auto value = duration(least, most);
  if (!value) return std::nullopt;
  if (*value % std::chrono::seconds(1) == milliseconds(0))
    return std::chrono::duration_cast<std::chrono::seconds>(*value);
  error(quoted(node_->text) + " is finer than a second; use whole seconds");
  return std::nullopt;
}

std::optional<std::uint64_t> Value::bytes(std::uint64_t least, std::uint64_t most) const {
  const auto given = text();
  if (!given) return std::nullopt;
  const auto value = *given == "0" ? std::optional<std::uint64_t>(0) : quantity(*given, kSizes);
  if (value && *value >= least && *value <= most) return value;
  const bool bare = !value && digits(*given);
  error(quoted(*given) + (value ? " is out of range" : " is no size") + "; use " + size_text(least) + " to " +
        size_text(most) + ", with a unit: KiB, MiB, GiB, TiB (or KB, MB, GB, TB)" +
        (bare ? "; did you mean '" + *given + "MiB'?" : ""));
  return std::nullopt;
}

std::optional<IpAddress> Value::address() const {
  const auto given = text();
  if (!given) return std::nullopt;
  if (const auto address = IpAddress::parse(*given)) return address;
  error(quoted(*given) + " is no IP address; use one like 192.0.2.1 or 2001:db8::1");
  return std::nullopt;
}

std::vector<Value> Value::list() const {
  if (!node_ || node_->kind == Yaml::Kind::kNull) return {};
  if (node_->kind == Yaml::Kind::kScalar) return {*this};
  if (node_->kind == Yaml::Kind::kMap) {
    error("needs a list, not a section with keys; begin each entry with '- '");
    return {};
  }
  std::vector<Value> out;
  for (std::size_t i = 0; i < node_->items.size(); ++i)
    out.emplace_back(&node_->items[i], node_->items[i].place, path_ + "[" + std::to_string(i) + "]",
                     *report_);
  return out;
}

std::vector<Value> Value::filled_list() const {
  const bool blank = node_ && (node_->kind == Yaml::Kind::kNull ||
                               (node_->kind == Yaml::Kind::kList && node_->items.empty()));
  if (blank) error("a value is missing");
  return list();
}

void Value::not_among(std::string_view given, const std::vector<std::string_view>& known) const {
  error(quoted(given) + " is not allowed; use " + list_text(known) + did_you_mean(given, known));
}

Section::Section(const Value& value) : value_(value) {
  const Yaml* node = value.node();
  broken_ = node == nullptr;
  if (!node || node->kind == Yaml::Kind::kNull) return;
  if (node->kind != Yaml::Kind::kMap) {
    value.error("needs a section with keys, not a " +
                std::string(node->kind == Yaml::Kind::kList ? "list" : "single value"));
    value_ = Value(nullptr, value.place(), value.path(), value.report());
    broken_ = true;
    return;
  }
  std::map<std::string_view, Place> seen;
  for (const Yaml::Member& member : node->members) {
    const auto [first, fresh] = seen.try_emplace(member.key, member.place);
    if (!fresh)
      value.report().error(
          member.place, path_of(member.key),
          "stands here a second time; the first is in line " + std::to_string(first->second.line));
  }
}

std::string Section::path_of(std::string_view key) const {
  std::string shown(key.substr(0, 60));
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return value_.path().empty() ? shown : value_.path() + "." + shown;
}

bool Section::has(std::string_view key) const {
  const Yaml* node = value_.node();
  return node && std::ranges::find(node->members, key, &Yaml::Member::key) != node->members.end();
}

Value Section::get(std::string_view key) {
  if (std::ranges::find(asked_, key) == asked_.end()) asked_.emplace_back(key);
  const Yaml* node = value_.node();
  if (node)
    for (const Yaml::Member& member : node->members)
      if (member.key == key) {
        const bool blank = member.value.kind == Yaml::Kind::kNull;
        return {&member.value, blank ? member.place : member.value.place, path_of(key), value_.report()};
      }
  return {nullptr, value_.place(), path_of(key), value_.report()};
}

Value Section::require(std::string_view key, std::string_view why) {
  Value found = get(key);
  if (!found && !broken_) found.error("is missing; " + std::string(why));
  return found;
}

std::vector<std::pair<std::string, Value>> Section::members() {
  all_ = true;
  std::vector<std::pair<std::string, Value>> out;
  const Yaml* node = value_.node();
  if (!node) return out;
  std::set<std::string_view> seen;
  for (const Yaml::Member& member : node->members)
    if (seen.insert(member.key).second)
      out.emplace_back(member.key, Value(&member.value, member.place, path_of(member.key), value_.report()));
  return out;
}

void Section::finish() const {
  const Yaml* node = value_.node();
  if (!node || all_) return;
  const std::vector<std::string_view> known(asked_.begin(), asked_.end());
  for (const Yaml::Member& member : node->members) {
    if (std::ranges::find(asked_, member.key) != asked_.end()) continue;
    // Weak algorithms will need this word one day; until then they do not exist, and nothing may pretend.
    const std::string what =
        member.key == "legacy"
            ? "reserved for a later version; this one has no legacy algorithms to allow: leave it away"
            : "unknown key; known here: " + list_text(known) + did_you_mean(member.key, known);
    value_.report().error(member.place, path_of(member.key), what);
  }
}

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/config/value.h"

#include "ctrl/config/quantity.h"

namespace simplon::ctrl {

using std::chrono::milliseconds;

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
  error(shown(*given) + " is not allowed; use a whole number from " + std::to_string(least) + " to " +
        std::to_string(most));
  return std::nullopt;
}

std::optional<milliseconds> Value::duration(milliseconds least, milliseconds most) const {
  const auto given = text();
  if (!given) return std::nullopt;
  const auto value = parse_milliseconds(*given);
  if (value && *value <= static_cast<std::uint64_t>(most.count()) && milliseconds(*value) >= least)
    return milliseconds(*value);
  const bool bare = !value && digits(*given);
  error(shown(*given) + (value ? " is out of range" : " is no duration") + "; use " + time_text(least) +
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
  error(shown(node_->text) + " is finer than a second; use whole seconds");
  return std::nullopt;
}

std::optional<std::uint64_t> Value::bytes(std::uint64_t least, std::uint64_t most) const {
  const auto given = text();
  if (!given) return std::nullopt;
  const auto value = parse_bytes(*given);
  if (value && *value >= least && *value <= most) return value;
  const bool bare = !value && digits(*given);
  error(shown(*given) + (value ? " is out of range" : " is no size") + "; use " + size_text(least) + " to " +
        size_text(most) + ", with a unit: KiB, MiB, GiB, TiB (or KB, MB, GB, TB)" +
        (bare ? "; did you mean '" + *given + "MiB'?" : ""));
  return std::nullopt;
}

std::optional<IpAddress> Value::address() const {
  const auto given = text();
  if (!given) return std::nullopt;
  if (const auto address = IpAddress::parse(*given)) return address;
  error(shown(*given) + " is no IP address; use one like 192.0.2.1 or 2001:db8::1");
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
  error(shown(given) + " is not allowed; use " + list_text(known) + did_you_mean(given, known));
}

}  // namespace simplon::ctrl

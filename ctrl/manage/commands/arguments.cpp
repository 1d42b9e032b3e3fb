// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <sstream>

#include "ctrl/config/rules.h"
#include "ctrl/manage/commands/table.h"

namespace simplon::ctrl {
namespace {

std::string listed(const std::vector<std::string_view>& names) {
  std::string out;
  for (const std::string_view name : names) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

std::string unknown(const vici::Command& row, std::string_view argument) {
  std::vector<std::string_view> allowed;
  for (const vici::Argument& known : row.arguments)
    if (known.offered != vici::Offered::kConsoleOnly) allowed.push_back(known.name);
  return "unknown argument '" + std::string(argument) +
         "'; allowed: " + (allowed.empty() ? "none" : listed(allowed));
}

std::string missing(const vici::Argument& argument) {
  const std::string name(argument.name);
  if (argument.choices.empty()) return name + " is missing: " + std::string(argument.help);
  return name + " has to be one of " + listed(vici::split(argument.choices));
}

std::string not_a_choice(const vici::Argument& argument, std::string_view value) {
  const std::vector<std::string_view> choices = vici::split(argument.choices);
  if (choices.empty() || value.empty() || std::ranges::find(choices, value) != choices.end()) return {};
  return std::string(argument.name) + ": '" + std::string(value) + "' is not one of " + listed(choices);
}

// An empty text is an argument that is not there, as with strongSwan.
bool given(const vici::Message& arguments, std::string_view name) {
  const vici::List* list = arguments.list(name);
  return !arguments.get(name).empty() || (list && !list->empty());
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string refusal(const vici::Command& row, const vici::Message& arguments) {
  for (const vici::Element& element : arguments.elements()) {
    const vici::Argument* known = vici::find_argument(row, element.name);
    if (!known || known->offered == vici::Offered::kConsoleOnly) return unknown(row, element.name);
  }
  for (const vici::Argument& argument : row.arguments) {
    if (argument.required == vici::Required::kYes && !given(arguments, argument.name))
      return missing(argument);
    if (std::string why = not_a_choice(argument, arguments.get(argument.name)); !why.empty()) return why;
  }
  return {};
}

void Arguments::refuse(std::string what) {
  if (error_.empty()) error_ = std::move(what);
}

std::string_view Arguments::text(std::string_view key) {
  const std::string_view value = arguments_.get(key);
  if (value.empty()) refuse(std::string(key) + " is missing");
  return value;
}

std::uint64_t Arguments::number(std::string_view key, std::uint64_t least, std::uint64_t most,
                                std::uint64_t otherwise) {
  const std::string* value = arguments_.value(key);
  if (!value || value->empty()) return otherwise;  // not there, as with strongSwan
  const std::optional<std::uint64_t> parsed = parse_number(*value);
  if (parsed && least <= *parsed && *parsed <= most) return *parsed;
  refuse(std::string(key) + ": '" + *value + "' is no number from " + std::to_string(least) + " to " +
         std::to_string(most) + " (0x... is hexadecimal)");
  return otherwise;
}

IpAddress Arguments::address(std::string_view key) {
  const std::string_view value = text(key);
  const std::optional<IpAddress> parsed = IpAddress::parse(value);
  if (!parsed) refuse(std::string(key) + ": '" + std::string(value) + "' is no IP address");
  return parsed.value_or(IpAddress{});
}

IpAddress Arguments::end(std::string_view key) {
  const IpAddress out = address(key);
  if (const std::string_view why = not_an_end(out); !why.empty())
    refuse(std::string(key) + ": '" + out.text() + "' " + std::string(why) + "; no SA ends there");
  return out;
}

vici::List Arguments::list(std::string_view key) const {
  vici::List out;
  if (const vici::List* list = arguments_.list(key)) out = *list;
  if (const std::string* one = arguments_.value(key)) out.push_back(*one);
  return out;
}

TrafficSelectors Arguments::selectors(std::string_view key) {
  TrafficSelectors out;
  for (const std::string& text : list(key)) {
    Result<TrafficSelector> selector = TrafficSelector::parse(text);
    if (selector)
      out.push_back(*selector);
    else
      refuse(std::string(key) + ": " + selector.error().what);
  }
  return out;
}

Selectors Arguments::selector_sets(std::string_view key) {
  std::vector<SelectorSet> sets;
  for (const std::string& text : list(key)) {
    SelectorSet set;
    TrafficSelectors* side = &set.local;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      if (word == "===" && side == &set.local) {
        side = &set.remote;
        continue;
      }
      const Result<TrafficSelector> selector = TrafficSelector::parse(word);
      if (!selector) refuse(std::string(key) + ": " + selector.error().what);
      side->push_back(selector.value_or(TrafficSelector{}));
    }
    if (set.local.empty() || set.remote.empty())
      refuse(std::string(key) + ": '" + text + "' is no pair; use 'LOCAL === REMOTE'");
    sets.push_back(std::move(set));
  }
  if (sets.size() > kMostSelectorSets)
    refuse(std::string(key) + ": at most " + std::to_string(kMostSelectorSets) + " pairs");
  return Selectors::of(std::move(sets));
}

Secret Arguments::hex(std::string_view key, std::size_t bytes) {
  std::string_view digits = text(key);
  if (digits.starts_with("0x")) digits.remove_prefix(2);
  const bool clean = std::ranges::all_of(digits, [](char c) { return nibble(c) >= 0; });
  if (!clean || digits.size() != 2 * bytes) {
    refuse(std::string(key) + ": " + std::to_string(2 * bytes) + " hexadecimal digits (" +
           std::to_string(bytes) + " bytes) are needed" +
           (clean ? ", " + std::to_string(digits.size()) + " were given"
                  : "; there are other characters in it"));
    return {};
  }
  Buffer out(bytes);
  for (std::size_t i = 0; i < bytes; ++i)
    out[i] = static_cast<std::uint8_t>(nibble(digits[2 * i]) << 4 | nibble(digits[2 * i + 1]));
  return Secret(std::move(out));
}

std::string spi_text(Spi spi) {
  char text[11];
  std::snprintf(text, sizeof text, "0x%08x", static_cast<std::uint32_t>(spi));
  return text;
}

}  // namespace simplon::ctrl

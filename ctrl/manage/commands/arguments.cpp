#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

#include "ctrl/manage/commands/table.h"

namespace simplon::ctrl {
namespace {

std::string listed(std::initializer_list<std::string_view> names) {
  std::string out;
  for (const std::string_view name : names) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
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

Arguments::Arguments(const vici::Message& arguments, std::initializer_list<std::string_view> allowed)
    : arguments_(arguments) {
  for (const vici::Element& element : arguments.elements())
    if (std::ranges::find(allowed, element.name) == allowed.end())
      refuse("unknown argument '" + element.name + "'; allowed: " + listed(allowed));
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
  if (!value) return otherwise;
  const std::optional<std::uint64_t> parsed = parse_number(*value);
  if (parsed && least <= *parsed && *parsed <= most) return *parsed;
  refuse(std::string(key) + ": '" + *value + "' is no number from " + std::to_string(least) + " to " +
         std::to_string(most) + " (0x... is hexadecimal)");
  return otherwise;
}

std::size_t Arguments::choice(std::string_view key, std::initializer_list<std::string_view> choices,
                              std::size_t otherwise) {
  if (!has(key) && otherwise < choices.size()) return otherwise;
  const auto found = std::ranges::find(choices, arguments_.get(key));
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  refuse(std::string(key) +
         (has(key) ? ": '" + std::string(arguments_.get(key)) + "' is not" : " has to be") + " one of " +
         listed(choices));
  return 0;
}

IpAddress Arguments::address(std::string_view key) {
  const std::string_view value = text(key);
  const std::optional<IpAddress> parsed = IpAddress::parse(value);
  if (!parsed) refuse(std::string(key) + ": '" + std::string(value) + "' is no IP address");
  return parsed.value_or(IpAddress{});
}

TrafficSelectors Arguments::selectors(std::string_view key) {
  vici::List texts;
  if (const vici::List* list = arguments_.list(key)) texts = *list;
  if (const std::string* one = arguments_.value(key)) texts.push_back(*one);
  TrafficSelectors out;
  for (const std::string& text : texts) {
    Result<TrafficSelector> selector = TrafficSelector::parse(text);
    if (selector)
      out.push_back(*selector);
    else
      refuse(std::string(key) + ": " + selector.error().what);
  }
  return out;
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

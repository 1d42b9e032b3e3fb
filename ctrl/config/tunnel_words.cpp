// SPDX-License-Identifier: Apache-2.0
#include "ctrl/config/tunnel_words.h"

#include <algorithm>
#include <array>
#include <optional>

#include "ctrl/config/quantity.h"

namespace simplon::ctrl {
namespace {

struct DscpName {
  std::string_view name;
  std::uint8_t dscp;
};
// RFC 2474, RFC 2597, RFC 3246, RFC 5865, RFC 8622.
constexpr std::array kDscpNames{
    DscpName{"cs0", 0},   DscpName{"be", 0},    DscpName{"le", 1},    DscpName{"cs1", 8},
    DscpName{"af11", 10}, DscpName{"af12", 12}, DscpName{"af13", 14}, DscpName{"cs2", 16},
    DscpName{"af21", 18}, DscpName{"af22", 20}, DscpName{"af23", 22}, DscpName{"cs3", 24},
    DscpName{"af31", 26}, DscpName{"af32", 28}, DscpName{"af33", 30}, DscpName{"cs4", 32},
    DscpName{"af41", 34}, DscpName{"af42", 36}, DscpName{"af43", 38}, DscpName{"cs5", 40},
    DscpName{"va", 44},   DscpName{"ef", 46},   DscpName{"cs6", 48},  DscpName{"cs7", 56}};

std::string one_text(std::uint8_t dscp) {
  const auto named = std::ranges::find(kDscpNames, dscp, &DscpName::dscp);
  return named == kDscpNames.end() ? std::to_string(dscp) : std::string(named->name);
}

auto no_dscp(std::string_view text) {
  return fail("'" + std::string(text.substr(0, 40)) +
              "' is no DSCP: use copy, a number from 0 to 63, a name like ef, af41 or cs1, or INNER=OUTER "
              "for each that is changed");
}

// What most of those have that are not copied.
std::uint8_t most_frequent(const DscpMap& map) {
  std::array<unsigned, kDscps> count{};
  for (std::uint8_t i = 0; i < kDscps; ++i) count[map[i]] += map[i] != i;
  return static_cast<std::uint8_t>(std::ranges::max_element(count) - count.begin());
}

}  // namespace

std::optional<std::uint8_t> parse_one_dscp(std::string_view text) {
  const auto named = std::ranges::find(kDscpNames, text, &DscpName::name);
  if (named != kDscpNames.end()) return named->dscp;
  const auto number = digits(text);
  if (!number || *number >= kDscps) return std::nullopt;
  return static_cast<std::uint8_t>(*number);
}

Result<DscpMap> parse_dscp(const std::vector<std::string>& words) {
  if (words.size() == 1 && words[0] == "copy") return copied_dscp();
  if (words.size() == 1 && words[0].find('=') == std::string::npos) {
    if (const auto all = parse_one_dscp(words[0])) return fixed_dscp(*all);
    return no_dscp(words[0]);
  }
  std::array<std::optional<std::uint8_t>, kDscps> given{};
  std::optional<std::uint8_t> others;
  for (const std::string& word : words) {
    const std::size_t sign = word.find('=');
    if (sign == std::string::npos)
      return fail("'" + word.substr(0, 40) + "' stands beside others, so it must be INNER=OUTER");
    const std::string inner = word.substr(0, sign);
    const auto from = inner == "others" ? std::optional<std::uint8_t>(0) : parse_one_dscp(inner);
    const auto to = parse_one_dscp(std::string_view(word).substr(sign + 1));
    if (!from || !to) return no_dscp(word);
    auto& place = inner == "others" ? others : given[*from];
    if (place) return fail("'" + inner.substr(0, 40) + "' stands here twice");
    place = to;
  }
  DscpMap out = others ? fixed_dscp(*others) : copied_dscp();
  for (std::uint8_t i = 0; i < kDscps; ++i) out[i] = given[i].value_or(out[i]);
  return out;
}

Result<DscpMap> parse_dscp(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : text) c == ',' ? void(words.emplace_back()) : words.back().push_back(c);
  return parse_dscp(words);
}

std::string dscp_text(const DscpMap& map) {
  if (map == copied_dscp()) return "copy";
  if (map == fixed_dscp(map[0])) return one_text(map[0]);
  unsigned changed = 0;
  for (std::uint8_t i = 0; i < kDscps; ++i) changed += map[i] != i;
  const std::uint8_t others = most_frequent(map);
  const bool most = changed > kDscps / 2;  // then it is shorter to tell what the others have
  std::string out;
  for (std::uint8_t i = 0; i < kDscps; ++i)
    if (map[i] != (most ? others : i)) out += one_text(i) + "=" + one_text(map[i]) + ",";
  if (most) return out + "others=" + one_text(others);
  out.pop_back();
  return out;
}

Result<std::uint16_t> parse_tfc(std::string_view text) {
  constexpr std::uint64_t kLeast = 64, kMost = 65000;
  if (text == "off") return kTfcOff;
  if (text == "mtu") return kTfcMtu;
  const auto octets = digits(text);
  if (!octets || *octets < kLeast || *octets > kMost)
    return fail("is off, mtu, or octets from " + std::to_string(kLeast) + " to " + std::to_string(kMost));
  return static_cast<std::uint16_t>(*octets);
}

std::string tfc_text(std::uint16_t tfc) {
  return tfc == kTfcOff ? "off" : tfc == kTfcMtu ? "mtu" : std::to_string(tfc);
}

}  // namespace simplon::ctrl

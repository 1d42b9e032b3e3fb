// SPDX-License-Identifier: Apache-2.0
// Rules of the configuration that hold for what is made at the console as well.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

#include "dp/base/policy_spec.h"
#include "dp/base/result.h"
#include "dp/base/selector.h"

namespace simplon::ctrl {

// Names of connections, children and policies: they appear in paths, in messages and on the wire of vici.
inline bool valid_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}
inline constexpr std::string_view kNameRule = "a name is 1 to 64 letters, digits, '.', '-' or '_'";

// Of an SPD that ports name.
inline constexpr std::string_view kSpdHelp = "no port has this SPD; write 'spd' at the ports that it is for";

// A policy may be named by its id too, so digits alone are no name.
inline bool valid_policy_name(std::string_view name) {
  return valid_name(name) && !std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}
inline constexpr std::string_view kPolicyNameRule =
    "the name of a policy is 1 to 64 letters, digits, '.', '-' or '_', and not digits alone: they are an id";

// A selector pairs with those of its own family only (RFC 4301 §4.4.1.1). Without, no packet can match.
inline bool have_common_family(const SelectorSet& set) {
  if (set.local.empty() || set.remote.empty()) return true;
  const auto has = [](const TrafficSelectors& side, Family family) {
    return std::ranges::any_of(
        side, [family](const TrafficSelector& ts) { return ts.addresses.first.family() == family; });
  };
  return std::ranges::any_of(std::initializer_list<Family>{Family::kV4, Family::kV6}, [&](Family family) {
    return has(set.local, family) && has(set.remote, family);
  });
}
inline bool have_common_family(const Selectors& selectors) {
  return std::ranges::all_of(selectors.sets(),
                             [](const SelectorSet& set) { return have_common_family(set); });
}
// More would have no end: each is an entry of its own for who looks packets up.
inline constexpr std::size_t kMostSelectorSets = 255;

// The words for FragmentHandling (RFC 4301 §7). `also` is agreed on by IKE, `later` an entry beside another
// one.
inline const std::initializer_list<std::pair<std::string_view, FragmentHandling>> kFragmentWords{
    {"reassemble", FragmentHandling::kReassemble},
    {"any", FragmentHandling::kAny},
    {"also", FragmentHandling::kAlso},
    {"own-sa", FragmentHandling::kOwnSa},
    {"later", FragmentHandling::kLater},
    {"drop", FragmentHandling::kDrop}};
// Why an entry cannot have it; empty: it can.
std::string_view why_not(FragmentHandling handling, Action action, SaMode mode, const Selectors& selectors);

// Into the class that is being made, classes.count.
Result<void> add_dscp(std::string_view text, DscpClasses& classes);

// RFC 4301 §4.5: whether the packets of the SAs of `inner`, which are between its ends, are for the SAs of
// `over`, and whether the kernel, if it has them, finds the SAs of both. Where an end of `inner` is not known
// yet its packets are not compared.
Result<void> fits_inside(const PolicySpec& inner, const PolicySpec& over);
// The same of one SA.
Result<void> fits_inside(const SaSpec& inner, const PolicySpec& over);

// What keeps an address from being the end of an SA or a tunnel; empty: nothing does.
inline std::string_view not_an_end(const IpAddress& address) {
  if (address.is_unspecified()) return "is unspecified";
  if (!address.is_v4()) return address.bytes()[0] == 0xff ? "is a multicast address" : "";
  if (address.v4_host() == 0xffffffff) return "is the broadcast address";
  return address.v4_host() >> 28 == 0xe ? "is a multicast address" : "";
}

// The words for MtuOptions.
inline const std::initializer_list<std::pair<std::string_view, DfBit>> kDfBits{
    {"set", DfBit::kSet}, {"copy", DfBit::kCopy}, {"clear", DfBit::kClear}};
inline const std::initializer_list<std::pair<std::string_view, Fragmentation>> kFragmentations{
    {"before", Fragmentation::kBeforeEsp}, {"after", Fragmentation::kAfterEsp}};
// Octets of a packet that has room for a payload of AGGFRAG with any suite, and packets in a second that a
// worker may be able to make.
inline constexpr std::uint64_t kLeastAggfragPacket = 256, kMostAggfragRate = 10'000'000;

// auto, off, or octets. The least is what 68 octets, the least MTU that a link may have (RFC 791), leave of a
// segment.
Result<std::uint16_t> parse_mss(std::string_view text);

}  // namespace simplon::ctrl

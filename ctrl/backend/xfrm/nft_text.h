// SPDX-License-Identifier: Apache-2.0
// The rules of NftRules in the language of nft(8). Internal to ctrl/backend/xfrm/.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "ctrl/backend/xfrm/message.h"

namespace simplon::ctrl {

inline constexpr const char* kNftTable = "simplon";  // of the family "inet"

// What the selectors have in common whose set is asked by one rule; in the order of the rules.
struct NftShape {
  unsigned level = 0;
  bool closes = false;  // else lets pass
  bool out = false, v4 = true;
  std::uint8_t source = 0, destination = 0;  // prefix lengths
  bool protocol = false;                     // else any
  std::uint16_t sport = 0, dport = 0;        // masks; of ICMP `sport` is that of type and code
  std::uint32_t mark = 0;                    // mask
  friend auto operator<=>(const NftShape&, const NftShape&) = default;
};
// A selector: its shape, and its values there. A shape without fields has one element, the empty one.
using NftElement = std::pair<NftShape, std::string>;
// For how many SPD entries each element stands.
using NftSets = std::map<NftShape, std::map<std::string, unsigned>>;

NftElement nft_element(const xfrm_selector& selector, bool out, const PacketMark& mark = {});
// `verb`: "add" or "delete". Not for a shape without fields, which has no set.
std::string nft_change(const char* verb, const NftElement& element);
// The commands that make the table, in place of whatever is there.
std::string nft_table(const NftSets& sets, const std::string& name = kNftTable);

}  // namespace simplon::ctrl

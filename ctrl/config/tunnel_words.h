// SPDX-License-Identifier: Apache-2.0
// The words for TunnelOptions, in the file and at the console.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dp/base/result.h"
#include "dp/base/tunnel_options.h"

namespace simplon::ctrl {

inline const std::initializer_list<std::pair<std::string_view, EcnMode>> kEcnModes{
    {"normal", EcnMode::kNormal}, {"compatibility", EcnMode::kCompatibility}};
inline const std::initializer_list<std::pair<std::string_view, FlowLabel>> kFlowLabels{
    {"zero", FlowLabel::kZero}, {"copy", FlowLabel::kCopy}, {"flow", FlowLabel::kFlow}};

// By its name, like ef, or as a number; none: it is no DSCP.
std::optional<std::uint8_t> parse_one_dscp(std::string_view text);
// "copy"; one DSCP for all, by its name or as a number; or "INNER=OUTER" for each that is changed, where
// "others" are those that are not named.
Result<DscpMap> parse_dscp(const std::vector<std::string>& words);
// The same with commas between the words.
Result<DscpMap> parse_dscp(std::string_view text);
// Such that parse_dscp() makes the same of it.
std::string dscp_text(const DscpMap& map);

// off, mtu, or octets.
Result<std::uint16_t> parse_tfc(std::string_view text);
std::string tfc_text(std::uint16_t tfc);
// Dummy packets in a second, at most.
inline constexpr std::uint64_t kMostDummies = 10000;

}  // namespace simplon::ctrl

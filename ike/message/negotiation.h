// SPDX-License-Identifier: Apache-2.0
// Choosing from what a peer offers (RFC 7296 §2.7).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dp/base/selector.h"
#include "ike/message/proposal.h"

namespace simplon::ike {

enum class Pfs : std::uint8_t {
  kAsOffered,
  kIgnored
};  // kIgnored: the child of IKE_AUTH, which has no exchange of its own

// The first of ours that one of theirs satisfies: one alternative of each type, ours first; with their number
// and SPI.
std::optional<Proposal> choose(const std::vector<Proposal>& offered, const std::vector<Proposal>& ours,
                               Pfs pfs = Pfs::kAsOffered);

// For the log, when nothing was chosen: "offered aes128-sha256; we take aes128gcm16; no cipher in common". Of
// several pairs of proposals the one that agreed in most is named.
std::string why_not(const std::vector<Proposal>& offered, const std::vector<Proposal>& ours);

// Whether what a responder chose is one of what we offered, one alternative of each type.
bool is_choice_of(const Proposal& chosen, const std::vector<Proposal>& offered, Pfs pfs = Pfs::kAsOffered);

std::string text(const std::vector<Proposal>& proposals);  // separated by commas

std::vector<Proposal> without_groups(std::vector<Proposal> proposals);
DhGroup group_of(const Proposal& chosen);  // kNone: it has none
bool usable_spi(const Buffer& spi);        // of ESP and AH

// Without those that another one of them covers.
TrafficSelectors without_covered(const TrafficSelectors& all);

}  // namespace simplon::ike

// SPDX-License-Identifier: Apache-2.0
// A child with esp_proposals and ah_proposals: a bundle of two children (RFC 4301 §4.5).
#include "ctrl/config/parts.h"

namespace simplon::ctrl {
namespace {

using ike::ChildConfig;
using ike::Connection;

// RFC 4301 §4.5: the AH half of a bundle is for the ESP packets between the two ends; `child` is the ESP
// half.
ChildConfig ah_half(ChildConfig& child, std::vector<ike::Proposal> proposals, SaMode mode) {
  ChildConfig out = child;
  out.name += kAhHalf;
  out.protocol = IpsecProtocol::kAh;
  out.proposals = std::move(proposals);
  out.selectors = {};
  out.dynamic_protocol = kEsp;
  out.mode = mode;
  out.transport_fallback = ike::TransportFallback::kFail;
  out.mtu.mss = kMssOff;
  out.pfp = {};
  out.aggfrag = {};
  out.fragments = FragmentHandling::kReassemble;
  out.tunnel.tfc = kTfcOff, out.tunnel.dummies = 0;  // of ESP alone
  out.other_half = child.name;
  child.other_half = out.name;
  return out;
}

// A bundle is two SAs each way; of one connection there is one, since a peer that asks for AH between the two
// ends does not say for which.
std::string why_no_bundle(const Connection& connection, const ChildConfig& child) {
  if (child.interface != InterfaceId{})
    return "stands beside esp_proposals, and a bundle has no interface: its packets are the gateway's own";
  if (child.classes.any() || child.fragments == FragmentHandling::kOwnSa)
    return "stands beside esp_proposals, and a bundle has one SA of each: leave dscp_classes and "
           "fragments: own-sa away";
  for (const ChildConfig& other : connection.children)
    if (!other.other_half.empty() && other.protocol == IpsecProtocol::kEsp)
      return "stands beside esp_proposals, as in child '" + other.name +
             "': a connection has one bundle; give that child all the selectors";
  return {};
}

}  // namespace

void read_bundle(Section& section, const Connection& connection, std::vector<ike::Proposal> ah,
                 ReadChild& out) {
  const Value mode = section.get("ah_mode");
  const auto given = mode.choice<SaMode>({{"transport", SaMode::kTransport}, {"tunnel", SaMode::kTunnel}});
  if (ah.empty() && mode) mode.error("is for a child with ah_proposals and esp_proposals");
  if (ah.empty()) return;
  if (const std::string why = why_no_bundle(connection, out.child); !why.empty())
    return section.get("ah_proposals").error(why);
  out.ah_half = ah_half(out.child, std::move(ah), given.value_or(SaMode::kTransport));
}

}  // namespace simplon::ctrl

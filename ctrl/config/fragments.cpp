// SPDX-License-Identifier: Apache-2.0
// RFC 4301 §7: which way with fragments an entry of the SPD may have.
#include "ctrl/config/rules.h"

namespace simplon::ctrl {
namespace {

template <class Of>
bool any_side(const Selectors& selectors, Of of) {
  return std::ranges::any_of(selectors.sets(), [&](const SelectorSet& set) {
    return std::ranges::any_of(set.local, of) || std::ranges::any_of(set.remote, of);
  });
}

bool has_port(const TrafficSelector& s) { return !s.ports.is_any() && !s.ports.is_opaque(); }
bool is_opaque(const TrafficSelector& s) { return s.ports.is_opaque(); }

}  // namespace

std::string_view why_not(FragmentHandling handling, Action action, SaMode mode, const Selectors& selectors) {
  const bool tunnel = action == Action::kProtect && mode == SaMode::kTunnel;
  const bool ports = any_side(selectors, has_port);
  switch (handling) {
    case FragmentHandling::kReassemble:
    case FragmentHandling::kDrop:
      return {};
    case FragmentHandling::kAny:
      return ports || any_side(selectors, is_opaque)
                 ? "any is for selectors without ports: of a fragment none are known"
                 : "";
    case FragmentHandling::kAlso:
    case FragmentHandling::kOwnSa:
      if (!tunnel) return "is for entries that protect in tunnel mode (RFC 4301 section 7)";
      return ports ? "" : "is for selectors with ports: without them an SA carries every fragment";
    case FragmentHandling::kLater:
      if (!tunnel) return "is for entries that protect in tunnel mode (RFC 4301 section 7)";
      return ports || !any_side(selectors, is_opaque)
                 ? "later is for opaque ports, like 198.18.1.0/24[tcp/opaque] (RFC 4301 section 7.2)"
                 : "";
  }
  return {};
}

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// The difference between what is wanted of a backend and what is installed there.
#pragma once

#include <vector>

#include "ctrl/install/state.h"

namespace simplon::ctrl {

// In the order in which they are safe to make. First what only closes: a BYPASS that is removed, and one that
// moves back in the order, before the entries in front of it change. Then outbound SAs that cannot be beside
// those that come; inbound SAs, before the peer can use them; outbound SAs, before a policy sends through
// them, and those that move; the policies, which name the ends of the tunnel. Removals come last, in reverse.
struct Changes {
  std::vector<PolicySpec> remove_bypasses;
  std::vector<PolicySpec> demote_bypasses;  // as they stand, at their new order
  std::vector<SaRef> free_out;              // outbound SAs that make room for one of add_out (RFC 3948 §5.2)
  std::vector<SaRef> add_in, add_out;
  struct Move {
    SaRef from, to;
  };
  std::vector<Move> move_sas;            // of the same id: addresses, ports or UDP changed
  std::vector<PolicySpec> set_policies;  // new, or changed under the same id
  std::vector<PolicySpec> remove_policies;
  std::vector<SaRef> remove_out, remove_in;
};

// Whether an entry that closes still closes, as `want`, all that it closed as `before`: it moves back behind
// no other entry and covers no less.
bool keeps_closed(const PolicySpec& want, const PolicySpec& before);

Changes diff(const State& want, const State& now);
// The part of diff() that `sas` and their SPD entries are about. `want` holds what is wanted of these
// (desired_part()): what it does not hold of them is removed, all else stays. Its cost does not grow with
// `now`.
Changes diff_part(const State& want, const std::vector<SaRef>& sas, const State& now);

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// What is wanted, what is installed, and the way from one to the other.
//
//   desired(config, children, manual) ─▶ State ─ placement() ─▶ State of a backend ─┐
//                                                                                   ├─ diff() ─▶ Changes
//   what is installed there: first Backend::dump(), then kept by apply() ───────────┘             │
//                                                                          Backend ◀─ apply() ◀───┘
//
// Start, reload, rekey and the loss of a peer all go this way, and so does a restart over what a former run
// left in the kernel. All are values; control thread only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ctrl/backend/backend.h"
#include "ctrl/config/config.h"
#include "ctrl/install/child_sa_table.h"
#include "ctrl/install/followed_entries.h"
#include "ctrl/install/manual_entries.h"

namespace simplon::ctrl {

struct State {
  std::map<SaId, SaRef> sas;
  std::map<PolicyId, PolicySpec> policies;
  // Policies that could be neither set nor removed, as they were tried last: the backend may hold a part of
  // them. None of them is in `policies`.
  std::map<PolicyId, PolicySpec> partially_installed;
};

std::string text(const SaSpec& sa);  // "inbound SA c0ffee01 198.51.100.2 to 198.51.100.1"
std::string text(const PolicySpec& policy);

// All that is wanted: the configuration's policies, IKE's SAs, what an administrator made by hand, and what
// another IKE daemon has installed in the kernel. Whether an SA by hand is what its policy asks for, which a
// reload may have changed. Without a policy: nobody asks.
bool serves(const SaSpec& sa, const Config& config, const ManualEntries& manual);
State desired(const Config& config, const ChildSaTable& children, const ManualEntries& manual = {},
              const FollowedEntries& followed = {});
// The part of it that these SAs of IKE's or followed ones, which came or went, are about: they, their
// policies, and the other SAs of IKE's of these.
State desired_part(const std::vector<SaRef>& sas, const Config& config, const ChildSaTable& children,
                   const FollowedEntries& followed = {});
// `want`, and what of `now` it does not have; of an entry that narrows to one direction the wider one.
State grown(State want, const State& now);
// What a former process left in a backend, as the State to start from. Its SAs get ids from 2^63 on, which no
// SA of this process has, so diff() removes them.
State former(const Installed& installed);

}  // namespace simplon::ctrl

// What should be installed, what is, and the way from one to the other.
//
//   desired(config, children, manual) ─▶ State ─┐
//                                               ├─ diff() ─▶ Changes ─ apply() ─▶ Backend
//                 State now (kept by apply) ────┘
//
// Start, reload, rekey, a lost peer, and a restart over what a former run left in the kernel (former()) all
// go this way. All values; control thread only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ctrl/backend/backend.h"
#include "ctrl/config/config.h"
#include "ctrl/install/child_sa_table.h"

namespace simplon::ctrl {

struct State {
  std::map<SaId, SaRef> sas;
  std::map<PolicyId, PolicySpec> policies;
  // Those that could be neither set nor removed, as they were last tried: a part of them may stand. None of
  // them is in `policies`.
  std::map<PolicyId, PolicySpec> partially_installed;
};

// SAs and policies that an administrator made at the console.
struct ManualEntries {
  std::vector<SaRef> sas;
  std::vector<PolicySpec> policies;
};

std::string text(const SaSpec& sa);  // "inbound SA c0ffee01 198.51.100.2 to 198.51.100.1"
std::string text(const PolicySpec& policy);

State desired(const Config& config, const ChildSaTable& children, const ManualEntries& manual = {});
// What another process left behind, as a State to start from: its SAs get ids of their own (above 2^63) that
// no SA of this process has, so diff() removes them.
State former(const Installed& installed);

}  // namespace simplon::ctrl

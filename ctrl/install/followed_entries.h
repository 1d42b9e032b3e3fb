// SPDX-License-Identifier: Apache-2.0
// The SAs and policies that another IKE daemon has installed in the kernel, and that are taken up from there.
// Values alone: ctrl/follow/follower.h keeps them.
#pragma once

#include <map>
#include <string>

#include "dp/base/policy_spec.h"
#include "dp/base/sa_spec.h"

namespace simplon::ctrl {

struct FollowedEntries {
  std::map<SaId, SaRef> sas;
  std::map<PolicyId, PolicySpec> policies;
};

// One for the console.
struct FollowedSa {
  SaSpec sa;
  std::string from;     // "kernel, reqid 5"
  std::string why_not;  // empty: the data path has it
};

}  // namespace simplon::ctrl

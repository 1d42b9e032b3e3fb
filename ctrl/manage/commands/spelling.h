// SPDX-License-Identifier: Apache-2.0
// How strongSwan writes states, actions and modes in its answers; swanctl prints them as
// they are. The algorithms' spellings stand in their tables.
#pragma once

#include <string_view>

#include "dp/base/policy_spec.h"
#include "ike/pad/connection.h"
#include "ike/sa/status.h"

namespace simplon::ctrl {

std::string_view state_name(ike::IkeState state);
std::string_view state_name(ike::ChildState state);
std::string_view action_name(ike::DpdAction action);
std::string_view action_name(ike::CloseAction action);
std::string_view direction_name(PolicyDirection direction);
std::string_view mode_name(Action action);

}  // namespace simplon::ctrl

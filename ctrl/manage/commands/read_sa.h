// SPDX-License-Identifier: Apache-2.0
// The arguments of sa-add as an SA. Its keys are copied into a Secret at once.
#pragma once

#include "ctrl/manage/commands/table.h"

namespace simplon::ctrl {

// What is wrong is an error that names the argument. Asks the gateway for policies and for SAs by hand.
Result<SaSpec> read_sa(Call& call);

}  // namespace simplon::ctrl

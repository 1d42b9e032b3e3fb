// SPDX-License-Identifier: Apache-2.0
// Makes changes in a backend, in an order in which nothing that is to be closed is open in between.
#pragma once

#include "ctrl/install/diff.h"

namespace simplon::ctrl {

// Makes the changes and commits them. `now` is updated with each step, so it is true after an error as well.
//
// A step that fails does not stop the others; the first error is returned. Two rules keep the gateway closed
// (RFC 4301 §5). A BYPASS that could not be set is removed. When an entry that closes could not be set, or a
// BYPASS not be removed, the steps that open are left out: no BYPASS is set, and no other entry is removed.
Result<void> apply(const Changes& changes, Backend& backend, State& now);

}  // namespace simplon::ctrl

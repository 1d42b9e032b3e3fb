// Makes changes in a backend.
#pragma once

#include "ctrl/install/diff.h"

namespace simplon::ctrl {

// Makes the changes and commits them; `now` follows step by step, so it is true after an error as well. What
// fails is left out (a BYPASS is taken away), the rest is made, and the first error names it; but where an
// entry that closes could not be set, or a BYPASS not be removed, nothing that opens (a new BYPASS, the
// removal of another entry) is made.
Result<void> apply(const Changes& changes, Backend& backend, State& now);

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// simplond --release: takes back what a gateway leaves in the kernel on purpose, so that it fails closed:
// muted interfaces and policies.
#pragma once

#include <string>

namespace simplon::ctrl {

// Refuses while a gateway runs: released, it would be open. Returns the process's exit status.
int release_kernel(const std::string& file);

}  // namespace simplon::ctrl

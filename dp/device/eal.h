// SPDX-License-Identifier: Apache-2.0
// DPDK's environment, started once in the life of a process. Control thread, which becomes the main lcore;
// worker i runs on lcore i + 1.
#pragma once

#include <string>

#include "dp/base/result.h"
#include "dp/device/spec.h"

namespace simplon::dp {

// Returns what memory was got, for people. With Hugepages::kAuto free 2 MB or 1 GB pages are used when there
// are enough, ordinary pages otherwise.
Result<std::string> start_eal(const Setup& setup);

}  // namespace simplon::dp

// SPDX-License-Identifier: Apache-2.0
// Another process, by a descriptor.
#pragma once

#include <sys/types.h>

#include <chrono>

namespace simplon::ctrl {

// Readable when the process has ended; it never means another one. Below zero: there is no such process.
int open_process(pid_t pid);

// How long all its threads together have waited for a processor. Zero where the kernel does not count it.
std::chrono::nanoseconds waited_for_processor(pid_t pid);

}  // namespace simplon::ctrl

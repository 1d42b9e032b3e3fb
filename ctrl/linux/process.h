// SPDX-License-Identifier: Apache-2.0
// Another process, by a descriptor.
#pragma once

#include <sys/types.h>

namespace simplon::ctrl {

// Readable when the process has ended; it never means another one. Below zero: there is no such process.
int open_process(pid_t pid);

}  // namespace simplon::ctrl

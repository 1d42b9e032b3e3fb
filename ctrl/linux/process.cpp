// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/process.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace simplon::ctrl {

// glibc has it from 2.36 on, and Debian 12's headers do not declare it for C++.
int open_process(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

}  // namespace simplon::ctrl

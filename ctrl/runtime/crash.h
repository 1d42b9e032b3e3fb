// SPDX-License-Identifier: Apache-2.0
// What a process says when it dies by its own fault: the signal, the thread and a backtrace, on standard
// error. No core, and nothing of the memory's content: keys are in it.
#pragma once

namespace simplon::ctrl {

// Before any thread is made. Once in the life of a process.
void tell_crashes();

}  // namespace simplon::ctrl

// SPDX-License-Identifier: Apache-2.0
// The interactive console: a libedit line with history and completion on a terminal, plain lines otherwise,
// so that a file of commands can be piped in.
#pragma once

#include "ctrl/console/run.h"

namespace simplon::console {

// Until quit or the end of input. The exit status of a piped file is that of its first command that failed;
// the others are run nevertheless.
int prompt(Console& console);

}  // namespace simplon::console

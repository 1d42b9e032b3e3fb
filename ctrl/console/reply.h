// SPDX-License-Identifier: Apache-2.0
// What the daemon answered to one command.
#pragma once

#include <vector>

#include "ctrl/vici/message.h"

namespace simplon::console {

struct Reply {
  vici::Message answer;
  std::vector<vici::Message> events;  // of a command that streams
};

}  // namespace simplon::console

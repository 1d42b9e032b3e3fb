// SPDX-License-Identifier: Apache-2.0
// From the words of a command to the arguments of a vici request.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/vici/command.h"
#include "ctrl/vici/message.h"
#include "dp/base/result.h"

namespace simplon::console {

// What was typed for each argument of a command, by the argument's name.
using Typed = std::map<std::string_view, std::vector<std::string>>;

// Files are made absolute, keys read from where they lie, seconds turned into milliseconds, and
// CONNECTION/CHILD taken apart.
Result<vici::Message> arguments_of(const vici::Command& command, const Typed& typed);

}  // namespace simplon::console

// SPDX-License-Identifier: Apache-2.0
// A line of the interactive console as words, and what could stand where the cursor is.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/vici/command.h"
#include "dp/base/result.h"

namespace simplon::console {

// Words are separated by blanks; '...' and "..." keep blanks, a backslash keeps the next character.
Result<std::vector<std::string>> split_words(std::string_view line);

// The words that could complete the last, perhaps empty, word of the line up to the cursor. `names` asks the
// daemon.
using NamesOf = std::function<std::vector<std::string>(vici::Names)>;
std::vector<std::string> complete(std::string_view line, const NamesOf& names);

// True when the line holds key material: such a line does not belong into a history.
bool holds_key(std::string_view line);

}  // namespace simplon::console

// SPDX-License-Identifier: Apache-2.0
// Answers for programs: a section is an object, a list an array, and every value a string, as vici has it.
#pragma once

#include <string>

#include "ctrl/console/reply.h"
#include "ctrl/vici/command.h"

namespace simplon::console {

std::string json_text(const vici::Message& message);
// A command that streams gives an array of its events, any other its answer.
std::string json_text(const vici::Command& command, const Reply& reply);

}  // namespace simplon::console

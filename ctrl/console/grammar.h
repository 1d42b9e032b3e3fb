// SPDX-License-Identifier: Apache-2.0
// The command line as CLI11 reads it, made of the rows of vici::commands(). For run.cpp only.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "ctrl/console/arguments.h"
#include "ctrl/vici/command.h"

namespace simplon::console {

// The parser, and where it puts what was typed. One parse for each; the parser points into it.
struct Grammar {
  CLI::App app{"The console of Simplon, the IPsec gateway.\nWithout a command: interactive.", "simplonctl"};
  bool json = false;
  std::string socket;
  std::map<const vici::Command*, Typed> typed;
  std::map<const vici::Command*, CLI::App*> apps;
  std::map<std::string, CLI::App*> groups;  // "sa", "policy": their commands have two words

  Grammar();
  void add(const vici::Command& command);
  const vici::Command* chosen() const;
};

// "help sa add" is "sa add --help"; what applies to all commands may stand before it.
std::vector<std::string> without_help(std::vector<std::string> words);

}  // namespace simplon::console

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/vici/command.h"

#include <algorithm>

#include "ctrl/vici/command_table.h"

namespace simplon::vici {

std::span<const Command> commands() { return kCommands; }

const Command* find_command(std::string_view vici) {
  const auto* found = std::ranges::find(kCommands, vici, &Command::vici);
  return vici.empty() || found == std::end(kCommands) ? nullptr : found;
}

const Command* find_words(std::string_view words) {
  const auto* found = std::ranges::find(kCommands, words, &Command::words);
  return words.empty() || found == std::end(kCommands) ? nullptr : found;
}

const Argument* find_argument(const Command& command, std::string_view name) {
  for (const Argument& argument : command.arguments)
    if (argument.name == name) return &argument;
  return nullptr;
}

std::vector<std::string_view> split(std::string_view words) {
  std::vector<std::string_view> out;
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    out.push_back(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return out;
}

bool is_event(std::string_view name) {
  return std::ranges::any_of(kCommands, [name](const Command& command) {
    std::vector<std::string_view> events = split(command.follows);
    if (!command.event.empty()) events.push_back(command.event);
    return std::ranges::find(events, name) != events.end();
  });
}

}  // namespace simplon::vici

// SPDX-License-Identifier: Apache-2.0
#include "ctrl/console/grammar.h"

namespace simplon::console {
namespace {

using vici::Argument;
using vici::Command;
using vici::Kind;

void add_option(CLI::App& app, const Argument& argument, Typed& typed) {
  if (argument.offered == vici::Offered::kSocketOnly) return;
  const bool bare = argument.kind == Kind::kPositional || argument.kind == Kind::kFile;
  const std::string name = (bare ? "" : "--") + std::string(argument.name), help(argument.help);
  if (argument.kind == Kind::kFlag) {
    app.add_flag_callback(name, [&typed, key = argument.name] { typed[key] = {"yes"}; }, help);
    return;
  }
  CLI::Option* made = nullptr;
  if (argument.kind == Kind::kList)
    made = app.add_option_function<std::vector<std::string>>(
                  name, [&typed, key = argument.name](const std::vector<std::string>& v) { typed[key] = v; },
                  help)
               ->allow_extra_args(false);  // each value has its own --name
  else
    made = app.add_option_function<std::string>(
        name, [&typed, key = argument.name](const std::string& value) { typed[key] = {value}; }, help);
  made->required(argument.required == vici::Required::kYes)
      ->type_name(argument.kind == Kind::kSeconds ? "SECONDS" : "TEXT");
  const std::vector<std::string_view> choices = vici::split(argument.choices);
  if (!choices.empty()) made->check(CLI::IsMember(std::vector<std::string>(choices.begin(), choices.end())));
}

// "add, remove, list"
std::string group_help(const std::string& group) {
  std::string out;
  for (const Command& command : vici::commands())
    if (command.words.starts_with(group + " "))
      out += (out.empty() ? "" : ", ") + std::string(command.words.substr(group.size() + 1));
  return out;
}

}  // namespace

Grammar::Grammar() {
  app.require_subcommand(0, 1);
  app.fallthrough();
  app.add_flag("--json", json, "answers as JSON, for programs");
  app.add_option("--socket", socket, "the daemon's management socket")->type_name("PATH")->take_last();
  app.set_version_flag("--version", "simplonctl " SIMPLON_VERSION);
  for (const Command& command : vici::commands())
    if (!command.words.empty()) add(command);
}

void Grammar::add(const Command& command) {
  CLI::App* parent = &app;
  std::string word(command.words);
  if (const std::size_t blank = word.find(' '); blank != std::string::npos) {
    const std::string group = word.substr(0, blank);
    CLI::App*& found = groups[group];
    if (!found) found = app.add_subcommand(group, group_help(group))->require_subcommand(1)->fallthrough();
    parent = found;
    word.erase(0, blank + 1);
  }
  CLI::App* made = parent->add_subcommand(word, std::string(command.help))->fallthrough();
  apps[&command] = made;
  Typed& into = typed[&command];
  for (const Argument& argument : command.arguments) add_option(*made, argument, into);
}

const Command* Grammar::chosen() const {
  for (const auto& [command, sub] : apps)
    if (sub->parsed() && (sub->get_parent() == &app || sub->get_parent()->parsed())) return command;
  return nullptr;
}

std::vector<std::string> without_help(std::vector<std::string> words) {
  auto first = words.begin();
  while (first != words.end() && first->starts_with("--"))
    first += *first == "--socket" && first + 1 != words.end() ? 2 : 1;
  if (first == words.end() || *first != "help") return words;
  words.erase(first);
  words.emplace_back("--help");
  return words;
}

}  // namespace simplon::console

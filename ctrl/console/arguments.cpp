// SPDX-License-Identifier: Apache-2.0
#include "ctrl/console/arguments.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace simplon::console {
namespace {

using vici::Argument;
using vici::Kind;
using vici::Message;

std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  return text;
}

// Keys on a command line are seen by every user of the machine; so they may come from elsewhere.
Result<std::string> key_text(const std::string& typed) {
  std::string line;
  if (typed == "-") {
    if (!std::getline(std::cin, line)) return fail("there is no key on standard input");
    return trimmed(line);
  }
  if (!typed.starts_with('@')) return typed;
  std::ifstream file(typed.substr(1));
  if (!file || !std::getline(file, line)) return fail("the key file " + typed.substr(1) + " cannot be read");
  return trimmed(line);
}

Result<std::string> milliseconds(std::string_view name, const std::string& typed) {
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(typed.data(), typed.data() + typed.size(), seconds);
  if (error != std::errc{} || end != typed.data() + typed.size() || seconds > 2'000'000)
    return fail("--" + std::string(name) + ": '" + typed + "' is no number of seconds");
  return std::to_string(std::uint64_t{seconds} * 1000);
}

Result<void> add(Message& m, const Argument& argument, const std::vector<std::string>& values) {
  switch (argument.kind) {
    case Kind::kFlag:
      m.add(argument.name, "yes");
      return {};
    case Kind::kList:
      m.add_list(argument.name, values);
      return {};
    case Kind::kFile:
      m.add(argument.name, std::filesystem::absolute(values.front()).string());
      return {};
    case Kind::kSeconds: {
      const Result<std::string> ms = milliseconds(argument.name, values.front());
      if (ms) m.add(argument.name, *ms);
      return ms ? Result<void>{} : std::unexpected(ms.error());
    }
    case Kind::kKey: {
      const Result<std::string> key = key_text(values.front());
      if (key) m.add(argument.name, *key);
      return key ? Result<void>{} : std::unexpected(key.error());
    }
    case Kind::kPositional:
    case Kind::kOption:
      m.add(argument.name, values.front());
      return {};
  }
  return {};
}

// A target "office/net", or two words, says what --ike and --child say.
Result<void> add_target(Message& m, const Typed& typed) {
  const auto target = typed.find("target");
  if (target == typed.end()) return {};
  if (typed.contains("ike")) return fail("a connection is named twice: as a word and with --ike");
  const std::string& words = target->second.front();
  const std::size_t slash = words.find('/');
  const auto child = typed.find("target-child");
  if (slash != std::string::npos && child != typed.end()) return fail("a child is named twice");
  if ((slash != std::string::npos || child != typed.end()) && typed.contains("child"))
    return fail("a child is named twice: as a word and with --child");
  m.add("ike", words.substr(0, slash));
  if (slash != std::string::npos) m.add("child", words.substr(slash + 1));
  if (child != typed.end()) m.add("child", child->second.front());
  return {};
}

}  // namespace

Result<Message> arguments_of(const vici::Command& command, const Typed& typed) {
  Message m;
  if (const Result<void> done = add_target(m, typed); !done) return std::unexpected(done.error());
  for (const Argument& argument : command.arguments) {
    const auto found = typed.find(argument.name);
    if (found == typed.end() || argument.offered == vici::Offered::kConsoleOnly) continue;
    if (const Result<void> done = add(m, argument, found->second); !done)
      return std::unexpected(done.error());
  }
  return m;
}

}  // namespace simplon::console

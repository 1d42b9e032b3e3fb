// SPDX-License-Identifier: Apache-2.0
#include "ctrl/console/words.h"

#include <algorithm>

namespace simplon::console {
namespace {

using vici::Argument;
using vici::Command;
using vici::Kind;

constexpr std::string_view kBlanks = " \t\r\n";

std::vector<std::string> blank_separated(std::string_view line) {
  std::vector<std::string> out;
  for (std::size_t at = 0; (at = line.find_first_not_of(kBlanks, at)) != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
    out.emplace_back(line.substr(at, end - at));
    at = end;
  }
  return out;
}

void keep_beginning_with(std::vector<std::string>& words, std::string_view beginning) {
  std::erase_if(words, [beginning](const std::string& w) { return !w.starts_with(beginning); });
  std::ranges::sort(words);
  const auto doubles = std::ranges::unique(words);
  words.erase(doubles.begin(), doubles.end());
}

std::string_view first_word(std::string_view words) { return words.substr(0, words.find(' ')); }

// Of commands with two words ("sa add"): the second ones.
std::vector<std::string> second_words(std::string_view first) {
  std::vector<std::string> out;
  for (const Command& command : vici::commands())
    if (command.words.size() > first.size() && first_word(command.words) == first)
      out.emplace_back(command.words.substr(first.size() + 1));
  return out;
}

std::vector<std::string> first_words() {
  std::vector<std::string> out;
  for (const Command& command : vici::commands())
    if (!command.words.empty()) out.emplace_back(first_word(command.words));
  return out;
}

bool takes_value(const Argument& argument) { return argument.kind != Kind::kFlag; }
bool is_offered(const Argument& argument) { return argument.offered != vici::Offered::kSocketOnly; }
bool is_positional(const Argument& argument) {
  return argument.kind == Kind::kPositional || argument.kind == Kind::kFile;
}

std::vector<std::string> values_of(const Argument& argument, const NamesOf& names) {
  const std::vector<std::string_view> choices = vici::split(argument.choices);
  std::vector<std::string> out(choices.begin(), choices.end());
  if (argument.names != vici::Names::kNone) std::ranges::move(names(argument.names), std::back_inserter(out));
  return out;
}

const Argument* named(const Command& command, std::string_view word) {
  if (!word.starts_with("--")) return nullptr;
  const Argument* found = vici::find_argument(command, word.substr(2));
  return found && is_offered(*found) && !is_positional(*found) ? found : nullptr;
}

// The words behind the command, the last of them being typed.
std::vector<std::string> arguments_of(const Command& command, std::span<const std::string> before,
                                      const NamesOf& names) {
  std::size_t positionals = 0;
  const Argument* open = nullptr;  // an option that still wants its value
  for (const std::string& word : before) {
    const Argument* option = open ? nullptr : named(command, word);
    if (!open && !option) ++positionals;
    open = option && takes_value(*option) ? option : nullptr;
  }
  if (open) return values_of(*open, names);
  std::vector<std::string> out{"--json"};
  for (const Argument& argument : command.arguments) {
    if (!is_offered(argument)) continue;
    if (!is_positional(argument))
      out.push_back("--" + std::string(argument.name));
    else if (positionals-- == 0)
      std::ranges::move(values_of(argument, names), std::back_inserter(out));
  }
  return out;
}

}  // namespace

Result<std::vector<std::string>> split_words(std::string_view line) {
  std::vector<std::string> words;
  bool inside = false;  // a word, perhaps empty: ''
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && kBlanks.contains(c)) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    inside = true;
    if (c == quote)
      quote = 0;
    else if (quote == 0 && (c == '\'' || c == '"'))
      quote = c;
    else if (c == '\\' && quote != '\'' && i + 1 < line.size())
      words.back() += line[++i];
    else
      words.back() += c;
  }
  if (quote != 0) return fail(std::string("the quote ") + quote + " is not closed");
  return words;
}

std::vector<std::string> complete(std::string_view line, const NamesOf& names) {
  std::vector<std::string> before = blank_separated(line);
  std::string typed;
  if (!before.empty() && !kBlanks.contains(line.back())) {
    typed = before.back();
    before.pop_back();
  }
  const bool help = !before.empty() && before.front() == "help";
  if (help) before.erase(before.begin());
  std::vector<std::string> out;
  if (before.empty()) {
    out = first_words();
  } else if (const std::vector<std::string> second = second_words(before.front());
             !second.empty() && before.size() == 1) {
    out = second;
  } else {
    const std::size_t used = second.empty() ? 1 : 2;
    const Command* command = vici::find_words(used == 1 ? before[0] : before[0] + " " + before[1]);
    if (command && !help) out = arguments_of(*command, std::span(before).subspan(used), names);
  }
  keep_beginning_with(out, typed);
  return out;
}

bool holds_key(std::string_view line) {
  const std::vector<std::string> words = blank_separated(line);
  return std::ranges::any_of(words, [](const std::string& word) {
    return word.starts_with("--key") || word.starts_with("--integ-key");
  });
}

}  // namespace simplon::console

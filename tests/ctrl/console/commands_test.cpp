// SPDX-License-Identifier: Apache-2.0
// The table of commands against those who read it: the server's handlers and docs/console.md.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "ctrl/vici/command.h"
#include "tests/ctrl/manage/vici_socket.h"

namespace simplon::ctrl {
namespace {

using testing::HasSubstr;
using testing::Not;
using vici::Argument;
using vici::Command;
using vici::Message;
using vici::Offered;

TEST(CommandTable, ARowIsWhole) {
  std::set<std::string_view> words;
  for (const Command& command : vici::commands()) {
    const auto shown = std::string(command.words) + " / " + std::string(command.vici);
    EXPECT_FALSE(command.words.empty() && command.vici.empty()) << shown;
    EXPECT_EQ(command.vici.empty(), command.origin == vici::Origin::kConsole) << shown;
    EXPECT_EQ(command.event.empty(), command.answered == vici::Answered::kAtOnce) << shown;
    EXPECT_EQ(vici::find_command(command.vici) == nullptr, command.vici.empty()) << shown;
    if (command.words.empty()) continue;
    EXPECT_TRUE(words.insert(command.words).second) << shown << ": these words have two rows";
    EXPECT_FALSE(command.help.empty()) << shown;
    std::set<std::string_view> names;
    for (const Argument& argument : command.arguments) {
      EXPECT_TRUE(names.insert(argument.name).second) << shown << ": " << argument.name << " stands twice";
      EXPECT_EQ(argument.help.empty(), argument.offered == Offered::kSocketOnly) << shown << argument.name;
    }
  }
}

TEST_F(ViciSocket, EveryRowHasAHandler) {
  const Commands commands(gateway_.operations());
  for (const Command& command : vici::commands())
    EXPECT_TRUE(command.vici.empty() || commands.knows(command.vici))
        << command.vici << " has a row but no handler";
}

// The first choice of each argument; some text for the others.
Message whole_request(const Command& command) {
  Message m;
  for (const Argument& argument : command.arguments)
    if (argument.required == vici::Required::kYes)
      m.add(argument.name, argument.choices.empty() ? "x" : vici::split(argument.choices).front());
  return m;
}

Message with(const Message& from, std::string_view key, std::string_view value) {
  Message m;
  for (const vici::Element& e : from.elements())
    if (e.name != key) m.add(e.name, std::get<std::string>(e.content));
  return m.add(key, value);
}

TEST_F(ViciSocket, HandlersKnowTheChoicesOfTheirRowsAndNoOthers) {
  for (const Command& command : vici::commands())
    for (const Argument& argument : command.arguments) {
      if (argument.choices.empty()) continue;
      const auto says = [&](std::string_view choice) {
        return std::string(ask(std::string(command.vici), with(whole_request(command), argument.name, choice))
                               .get("errmsg"));
      };
      const std::string wanted = std::string(argument.name) + ": ";
      for (const std::string_view choice : vici::split(argument.choices))
        EXPECT_THAT(says(choice), Not(HasSubstr(wanted))) << command.vici << ": " << choice;
      EXPECT_THAT(says("nonsense"), HasSubstr(wanted + "'nonsense' is not one of ")) << command.vici;
    }
}

TEST_F(ViciSocket, OurCommandsRefuseWhatTheirRowsDoNotListAndStrongSwansIgnoreIt) {
  for (const Command& command : vici::commands()) {
    if (command.vici.empty() || command.answered == vici::Answered::kLater) continue;
    const std::string says(
        ask(std::string(command.vici), with(whole_request(command), "colour", "red")).get("errmsg"));
    if (command.origin == vici::Origin::kSimplon) {
      EXPECT_THAT(says, HasSubstr("unknown argument 'colour'; allowed: ")) << command.vici;
    } else {
      EXPECT_THAT(says, Not(HasSubstr("colour"))) << command.vici;
    }
  }
}

TEST_F(ViciSocket, OurCommandsSayWhichArgumentIsMissing) {
  for (const Command& command : vici::commands()) {
    if (command.origin != vici::Origin::kSimplon) continue;
    for (const Argument& argument : command.arguments) {
      if (argument.required == vici::Required::kNo) continue;
      const Message without = with(whole_request(command), argument.name, "");
      EXPECT_THAT(std::string(ask(std::string(command.vici), without).get("errmsg")),
                  testing::StartsWith(argument.name))
          << command.vici;
    }
  }
}

// docs/console.md holds two tables between comments, both made of the rows. SIMPLON_WRITE_DOCS=1 writes them.
std::string typed(const Command& command) {
  std::string out = "`" + std::string(command.words);
  for (const Argument& argument : command.arguments) {
    if (argument.offered == Offered::kSocketOnly) continue;
    std::string name(argument.name);
    const bool bare = argument.kind == vici::Kind::kPositional || argument.kind == vici::Kind::kFile;
    if (bare) std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
    if (!bare) name = "--" + name;
    out += argument.required == vici::Required::kYes ? " " + name : " [" + name + "]";
  }
  return out + "`";
}

std::string console_table() {
  std::string out = "| command | what it does |\n|---|---|\n";
  for (const Command& command : vici::commands())
    if (!command.words.empty()) out += "| " + typed(command) + " | " + std::string(command.help) + " |\n";
  return out;
}

std::string socket_table() {
  std::string out = "| vici command | arguments | answer |\n|---|---|---|\n";
  std::set<std::string_view> seen;
  for (const Command& command : vici::commands()) {
    if (command.origin != vici::Origin::kSimplon || !seen.insert(command.vici).second) continue;
    out += "| `" + std::string(command.vici) + "` | ";
    std::string arguments;
    for (const Argument& argument : command.arguments) {
      if (argument.offered == Offered::kConsoleOnly) continue;
      arguments += (arguments.empty() ? "`" : ", `") + std::string(argument.name) +
                   (argument.kind == vici::Kind::kList ? "[]`" : "`") +
                   (argument.required == vici::Required::kYes ? "" : "?");
      std::string choices;
      for (const std::string_view choice : vici::split(argument.choices))
        choices += (choices.empty() ? " (" : ", ") + std::string(choice);
      arguments += choices.empty() ? "" : choices + ")";
    }
    out +=
        arguments + " | " +
        (command.answered == vici::Answered::kStream ? "streams `" + std::string(command.event) + "` events"
                                                     : std::string(command.answer)) +
        " |\n";
  }
  return out;
}

TEST(ConsoleDocs, HoldTheTablesOfAllCommands) {
  const std::string path = SIMPLON_TREE "/docs/console.md";
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  for (const auto& [name, table] :
       {std::pair("commands", console_table()), std::pair("requests", socket_table())}) {
    const std::string begin = std::string("<!-- ") + name + ": made of ctrl/vici/command_table.h -->\n";
    const std::string end = std::string("<!-- end of ") + name + " -->";
    const std::size_t from = text.find(begin), to = text.find(end);
    ASSERT_NE(from, std::string::npos) << begin;
    ASSERT_NE(to, std::string::npos) << end;
    const std::string there = text.substr(from + begin.size(), to - from - begin.size());
    if (std::getenv("SIMPLON_WRITE_DOCS"))
      text.replace(from + begin.size(), there.size(), table);
    else
      EXPECT_EQ(there, table) << "docs/console.md lags behind; SIMPLON_WRITE_DOCS=1 writes its tables";
  }
  if (std::getenv("SIMPLON_WRITE_DOCS")) std::ofstream(path) << text;
}

}  // namespace
}  // namespace simplon::ctrl

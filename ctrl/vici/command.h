// SPDX-License-Identifier: Apache-2.0
// What a command of the management socket and of simplonctl is. Each has one row in command_table.h, and no
// fact about it stands in a second place: the server takes from the row which arguments a request may have
// and which event it streams; simplonctl takes its words, options, completion and help; a test compares
// docs/console.md.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace simplon::vici {

// How an argument is typed at the console; on the socket all are texts, and a kList may be a list.
enum class Kind : std::uint8_t {
  kPositional,
  kOption,   // --name VALUE
  kList,     // --name VALUE, may be repeated
  kFlag,     // --name, sent as "yes"
  kSeconds,  // --name N, sent as milliseconds
  kFile,     // a positional path, sent as an absolute one
  kKey       // hexadecimal, or @FILE, or - for a line of standard input
};

// What names the console completes an argument with; it asks the daemon for them.
enum class Names : std::uint8_t {
  kNone,
  kConnections,
  kTargets,
  kChildren,
  kPolicies,
  kManualPolicies,
  kManualSas
};

enum class Offered : std::uint8_t {
  kEverywhere,
  kConsoleOnly,  // the console makes other arguments of it
  kSocketOnly
};

enum class Required : std::uint8_t { kNo, kYes };

struct Argument {
  std::string_view name;  // the key of the request; the console's option without its dashes
  std::string_view help = {};
  Kind kind = Kind::kOption;
  Required required = Required::kNo;
  Names names = Names::kNone;
  std::string_view choices = {};  // separated by blanks; empty: any text
  Offered offered = Offered::kEverywhere;
};

enum class Origin : std::uint8_t {
  kSimplon,     // what the row does not list is refused
  kStrongSwan,  // strongSwan's name and fields; like there, unknown arguments are ignored
  kConsole      // no request: simplonctl does it alone, or follows events
};

enum class Answered : std::uint8_t {
  kAtOnce,
  kStream,  // events, one an entry, then an empty answer
  kLater    // when the exchange is over; log lines about it are events meanwhile
};

struct Command {
  std::string_view words = {};  // at the console, "sa add"; empty: simplonctl does not offer it
  std::string_view vici = {};   // on the socket; empty: there is no request
  std::string_view help = {};
  Origin origin = Origin::kSimplon;
  Answered answered = Answered::kAtOnce;
  std::string_view event = {};    // what kStream and kLater send
  std::string_view follows = {};  // events that the console subscribes to until it is interrupted
  std::string_view answer = {};   // the fields of the answer, for docs/console.md
  std::span<const Argument> arguments = {};
};

// All rows, in the order of the documentation.
std::span<const Command> commands();
// By the name on the socket and by the words at the console; null when there is none.
const Command* find_command(std::string_view vici);
const Command* find_words(std::string_view words);
const Argument* find_argument(const Command& command, std::string_view name);
// "a b" as "a" and "b".
std::vector<std::string_view> split(std::string_view words);
// An event that some row streams or follows.
bool is_event(std::string_view name);

}  // namespace simplon::vici

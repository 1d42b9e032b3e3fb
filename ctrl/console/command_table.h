// Every command of simplonctl, once: the command line, the interactive console, completion and help all read
// this table. A row says which vici command is called, how its arguments are named, and how the answer is
// shown.
#pragma once

#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/vici/message.h"

namespace simplon::console {

// What names an argument can be completed with; they are asked of the daemon.
enum class Names : std::uint8_t {
  kNone,
  kConnections,
  kTargets,
  kChildren,
  kPolicies,
  kManualPolicies,
  kManualSas
};

enum class Kind : std::uint8_t {
  kPositional,
  kOption,   // --name VALUE
  kList,     // --name VALUE, may be repeated
  kFlag,     // --name
  kSeconds,  // --name N, sent as milliseconds
  kFile,     // a path, sent as an absolute one
  kKey       // hexadecimal, or @FILE, or - for a line of standard input
};

struct Option {
  std::string_view name;  // as typed, without dashes; also the vici argument's name
  std::string_view help;
  Kind kind = Kind::kOption;
  Names names = Names::kNone;
  std::vector<std::string_view> choices = {};
  bool required = false;
};

struct Reply {
  vici::Message answer;
  std::vector<vici::Message> events;  // of a command that streams
};

enum class Way : std::uint8_t {
  kCall,      // one answer, perhaps after streamed events
  kExchange,  // log lines are printed while it runs
  kFollow,    // events are printed until interrupted
  kLocal      // the console's own: help, quit
};

struct Command {
  std::string_view path;  // "sas", "sa add"
  std::string_view help;
  Way way = Way::kCall;
  std::string_view vici = {};   // the command that is called
  std::string_view event = {};  // what it streams, or a space-separated list of what is followed
  void (*show)(std::ostream& out, const Reply& reply) = nullptr;
  std::vector<Option> options = {};
};

std::span<const Command> commands();
const Command* find_command(std::string_view path);

}  // namespace simplon::console
